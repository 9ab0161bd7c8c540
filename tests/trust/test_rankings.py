"""Rankings that others wrote are bound to a model, steer it, and say what they lack; bad ones stay out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazecli.cache import Cache
from gazecli.errors import HeadSetError
from gazecli.heads.headset import HeadSet
from gazecli.heads.rankings import MAX_BYTES, Ranked, parse_ranking, ranking_text
from tests.trust.conftest import EXAMPLES, Gaze, error_of

LINES = [(3, 4, 0.9), (3, 5, 0.8), (2, 2, 0.25), (0, 7, 0.0)]
SHAPES: dict[str, Callable[[], Any]] = {
    "triples": lambda: [list(line) for line in LINES],
    "objects": lambda: [{"layer": a, "head": b, "score": s} for a, b, s in LINES],
    "gaze scores": lambda: [{"layer": a, "head": b, "gaze_score": s, "rank": 1} for a, b, s in LINES],
    "under a key": lambda: {
        "model": "x",
        "ranking": [{"layer": a, "head": b, "score": s} for a, b, s in LINES],
    },
    "triples under a key": lambda: {"top": 4, "heads": [list(line) for line in LINES]},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "gaze_head_ranking.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_plausible_shape_is_the_same_ranking(gaze: Gaze, tmp_path: Path, shape: str) -> None:
    path = written(tmp_path, SHAPES[shape]())
    assert gaze("cache", "import", path, "--model", "tiny").code == 0
    document = gaze("report").document("report")
    listed = [(head["layer"], head["head"], head["raw"]) for head in document["heads"]]
    assert listed == LINES
    assert document["imported"]["heads"] == 4
    assert {"matrices", "selectivity", "image mass"} <= set(document["imported"]["lacks"])
    assert document["matrices"] == []
    assert {head["selectivity"] for head in document["heads"]} == {None}
    assert document["suggested"]["top"] <= 4


def test_an_imported_ranking_steers_as_the_head_set_it_came_from(
    gaze: Gaze, known: str, tmp_path: Path
) -> None:
    call = ("steer", EXAMPLES / "strip.png", "--region", 3, "--top", 8, "--max-new-tokens", 4)
    measured = gaze(*call).document("steer")
    exported = gaze("cache", "export", known, tmp_path / "ranking.json").document("cache")
    brought = gaze("cache", "import", exported["file"], "--model", "tiny").document("cache")
    steered = gaze(*call).document("steer")
    assert steered["headset"] == brought["artifacts"][0]["digest"] != known
    assert steered["heads"] == measured["heads"]
    assert steered["answers"] == measured["answers"]


@pytest.mark.parametrize("form", ["human", "markdown", "html", "csv"])
def test_every_report_says_what_a_ranking_lacks(gaze: Gaze, tmp_path: Path, form: str) -> None:
    gaze("cache", "import", written(tmp_path, SHAPES["triples"]()), "--model", "tiny")
    ran = gaze("report", "--format", form)
    assert ran.code == 0
    assert "nan" not in ran.out
    if form != "csv":
        assert "split halves" in ran.out


def test_a_ranking_can_be_evaluated(gaze: Gaze, known: str, tmp_path: Path) -> None:
    gaze("cache", "export", known, tmp_path / "r.json")
    gaze("cache", "import", tmp_path / "r.json", "--model", "tiny")
    call = ("--samples", 1, "--max-new-tokens", 2, "--top", 4)
    document = gaze("report", "--evaluate", EXAMPLES / "comics", *call).document("report")
    assert document["evaluation"]["strips"] == 1


def test_only_its_own_score_and_its_own_heads_can_be_asked_of_a_ranking(gaze: Gaze, tmp_path: Path) -> None:
    gaze("cache", "import", written(tmp_path, SHAPES["triples"]()), "--model", "tiny")
    call = ("steer", EXAMPLES / "strip.png", "--region", 1, "--json")
    assert "one score" in error_of(gaze(*call, "--score", "selectivity"))["message"]
    assert "from 1 to 4" in error_of(gaze(*call, "--top", 5))["message"]


def test_importing_twice_gives_one_digest(gaze: Gaze, tmp_path: Path) -> None:
    path = written(tmp_path, SHAPES["objects"]())
    calls = [gaze("cache", "import", path, "--model", "tiny").document("cache") for _ in range(2)]
    assert calls[0]["artifacts"][0]["digest"] == calls[1]["artifacts"][0]["digest"]


def test_a_ranking_needs_a_model_and_an_artifact_names_its_own(
    gaze: Gaze, known: str, tmp_path: Path
) -> None:
    path = written(tmp_path, SHAPES["objects"]())
    assert "--model" in error_of(gaze("cache", "import", path, "--json"))["hint"]
    gaze("cache", "export", known, tmp_path / "whole")
    assert (
        "--model"
        in error_of(gaze("cache", "import", tmp_path / "whole", "--model", "tiny", "--json"))["message"]
    )


BAD = {
    "not json": ("[[0, 0, ", "not JSON"),
    "nan": ("[[0, 0, NaN]]", "NaN"),
    "infinite": ("[[0, 0, 1e999]]", "finite"),
    "beyond float32": ("[[0, 0, 1e300]]", "finite"),
    "a huge whole number": (f"[[0, 0, {10**400}]]", "finite"),
    "text for a score": ('[[0, 0, "1"]]', "number"),
    "truth for a score": ("[[0, 0, true]]", "number"),
    "no score": ("[[0, 0]]", "entry 0"),
    "no score in an object": ('[{"layer": 0, "head": 0}]', "entry 0"),
    "a fraction for a layer": ("[[0.5, 0, 1]]", "whole"),
    "truth for a layer": ("[[true, 0, 1]]", "whole"),
    "negative": ("[[0, -1, 1]]", "whole"),
    "twice": ("[[0, 0, 1], [0, 0, 0.5]]", "twice"),
    "outside the model": ("[[4, 0, 1]]", "does not exist in tiny"),
    "a head outside the model": ("[[0, 8, 1]]", "does not exist in tiny"),
    "far outside": (f"[[{10**30}, 0, 1]]", "whole"),
    "empty": ("[]", "no ranking"),
    "an empty object": ("{}", "no ranking"),
    "two rankings": ('{"a": [[0, 0, 1]], "b": [[0, 1, 1]]}', "several"),
    "nested without end": ("[" * 100_000, "not JSON"),
    "entries that are none": ("[1, 2, 3]", "entry 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_ranking_is_refused_and_nothing_is_kept(gaze: Gaze, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    error = error_of(gaze("cache", "import", written(tmp_path, content), "--model", "tiny", "--json"))
    assert message in error["message"]
    assert Cache().entries() == []


def test_a_ranking_that_is_no_utf8_or_far_too_long_is_refused_unread(gaze: Gaze, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"[[0, 0, 1], \xff]")
    assert "UTF-8" in error_of(gaze("cache", "import", path, "--model", "tiny", "--json"))["message"]
    with path.open("wb") as file:
        file.write(b"[")
        file.truncate(MAX_BYTES + 1)
    error = error_of(gaze("cache", "import", path, "--model", "tiny", "--json"))
    assert str(MAX_BYTES) in error["message"] or "artifact" in error["message"]


def test_a_model_without_its_weights_is_not_bound(gaze: Gaze, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text('{"model_type": "qwen2_vl"}')
    path = written(tmp_path, SHAPES["triples"]())
    error = error_of(gaze("cache", "import", path, "--model", tmp_path / "half", "--json"))
    assert error["code"] == "model.weights"
    assert error_of(gaze("cache", "import", path, "--model", "no/such", "--json"))["code"] == "model.absent"


def test_an_export_replaces_nothing_unasked(gaze: Gaze, known: str, tmp_path: Path) -> None:
    there = tmp_path / "r.json"
    there.write_text("mine")
    assert "--force" in error_of(gaze("cache", "export", known, there, "--json"))["hint"]
    assert there.read_text() == "mine"
    assert gaze("cache", "export", known, there, "--force").code == 0
    assert gaze("cache", "export", known, there).code == 0
    assert (
        gaze("cache", "export", known, tmp_path, "--as", "ranking")
        .document("cache")["file"]
        .endswith(f"{known[7:]}.json")
    )
    error_of(gaze("cache", "export", known, tmp_path / "no" / "r.json", "--json"))


def test_heads_of_another_model_are_refused_with_both_names(
    gaze: Gaze, known: str, checkpoint: Callable[[str], Path]
) -> None:
    other = checkpoint("qwen2_vl")
    error = error_of(
        gaze("steer", EXAMPLES / "strip.png", "--region", 1, "--heads", known, "--model", other, "--json")
    )
    assert error["code"] == "headset.other_model"
    assert "belongs to tiny" in error["message"]
    assert other.name in error["message"]


numbers = st.floats(-1e30, 1e30, allow_nan=False)
lines = st.dictionaries(
    st.tuples(st.integers(0, 99), st.integers(0, 99)), numbers, min_size=1, max_size=20
).map(lambda table: [Ranked(*pair, score) for pair, score in table.items()])


@given(lines)
def test_a_written_ranking_reads_back_as_it_was(ranked: list[Ranked]) -> None:
    assert parse_ranking(ranking_text(ranked).encode(), "it") == ranked


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["layer", "head", "score", "gaze_score", "raw", "heads"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(json_values.map(json.dumps).map(str.encode) | st.binary(max_size=60))
def test_any_file_is_a_clean_ranking_or_one_clear_refusal(data: bytes) -> None:
    refused = None
    try:
        ranked = parse_ranking(data, "it")
    except HeadSetError as error:
        refused = error
    if refused is not None:
        assert refused.hint
    else:
        pairs = [(line.layer, line.head) for line in ranked]
        assert len(set(pairs)) == len(pairs) > 0
        assert all(math.isfinite(line.score) and min(line.layer, line.head) >= 0 for line in ranked)


def test_a_measured_head_set_survives_its_stored_form(measured: HeadSet) -> None:
    again = HeadSet.from_artifact(measured.to_artifact(), measured.digest)
    assert again.to_artifact().digest == measured.digest
