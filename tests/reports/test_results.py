"""Results of the library as documents, files, pages of a notebook, tables and figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from matplotlib.figure import Figure
from PIL import Image

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import GazeError, UsageError
from gazecli.heads.rankings import listed_headset
from gazecli.models.vlm import VLM
from gazecli.reports.documents.schemas import json_schema
from tests.conftest import noise_picture, write_comics

HEADS = [(0, 1), (1, 3), (2, 0)]
SCHEMAS = {
    "HeadSet": "headset",
    "Picture": "panels",
    "Answer": "steer",
    "Steering": "steer",
    "Narration": "switch",
    "Tracking": "track",
}


@pytest.fixture(scope="module")
def results(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> dict[str, gaze.Answer]:
    """One of each, of a random model."""
    vlm, folder = vlm_of("qwen2_vl"), tmp_path_factory.mktemp("results")
    cache = Cache(folder / "cache")
    comics = write_comics(folder / "comics", 2, 3)
    headset = gaze.discover(vlm, comics, panels=3, height=64, cache=cache)
    picture = noise_picture(420, 130, 3)
    answer = gaze.steer(vlm, picture, 2, headset, top=2, max_new_tokens=3)
    made = [
        headset,
        picture,
        answer,
        gaze.steer_regions(
            vlm, picture, [1, 3], headset, gaze.SteerSettings(max_new_tokens=2), with_maps=True
        ),
        gaze.switch(vlm, picture, [3, 1], HEADS, every=2, require_effect=False),
        gaze.track(vlm, picture, headset, controls=[HEADS], max_new_tokens=3),
    ]
    return {type(each).__name__: each for each in made}  # type: ignore[misc]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_result_has_the_document_of_its_command(results: dict[str, gaze.Answer], name: str) -> None:
    document = json.loads(results[name].document().json_text())
    jsonschema.validate(document, json_schema(SCHEMAS[name]))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_result_is_written_in_every_form_it_has(
    results: dict[str, gaze.Answer], name: str, tmp_path: Path
) -> None:
    result = results[name]
    kinds = {".csv", ".json", ".png"} | ({".html", ".svg", ".pdf"} if name != "Picture" else set())
    for kind in sorted(kinds):
        written = result.save(tmp_path / f"result{kind}")
        assert written.stat().st_size > 50
        other = tmp_path / f"other{kind}"
        other.write_text("something else")
        with pytest.raises(UsageError, match="exists already"):
            result.save(other, overwrite=False)
    with Image.open(tmp_path / "result.png") as image:
        image.load()
    if name != "HeadSet":  # any other name is its artifact
        with pytest.raises(UsageError, match="such a file"):
            result.save(tmp_path / "result.gif")
    if ".html" in kinds:
        assert (tmp_path / "result.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_notebook_shows_a_result_and_its_numbers(results: dict[str, gaze.Answer], name: str) -> None:
    result = results[name]
    shown = result._repr_html_()
    assert shown.startswith(("<iframe srcdoc=", "<img src="))
    frame = result.to_frame()
    assert len(frame) > 0
    if name != "Picture":
        assert isinstance(result.plot(), Figure)
    if name == "Picture":
        assert result._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    if name in ("Narration", "Tracking"):
        assert list(frame["token"]) == list(range(result.tokens))
        shares = [column for column in frame.columns if column.startswith("region_")]
        assert frame[shares].sum(axis=1).max() <= 1.001


def test_answers_without_maps_have_a_heatmap_and_no_page(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    answer = gaze.steer(
        vlm_of("qwen2_vl"), noise_picture(420, 130, 3), 2, HEADS, max_new_tokens=1, with_maps=False
    )
    assert answer._repr_html_().startswith("<img")
    with pytest.raises(UsageError) as raised:
        answer.save(tmp_path / "page.html")
    assert "with_maps=True" in str(raised.value.hint)


def test_a_model_is_shown_as_a_table(vlm_of: Callable[[str], VLM], tmp_path: Path) -> None:
    vlm = vlm_of("qwen2_vl")
    assert vlm.digest in vlm._repr_html_()
    assert vlm.document().digest == vlm.digest
    vlm.save(tmp_path / "model.json")
    assert json.loads((tmp_path / "model.json").read_text())["layers"] == vlm.layers


def test_an_answer_of_several_is_shown_alone(results: dict[str, gaze.Answer]) -> None:
    steering = results["Steering"]
    second = steering.answers[1]  # type: ignore[attr-defined]
    document = second.document()
    assert [each.region for each in document.answers] == [3]
    assert len(steering.document().answers) == 2


def test_heads_that_were_listed_have_the_digest_they_have_on_the_command_line(
    results: dict[str, gaze.Answer], vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    listed = listed_headset(HEADS, vlm_of("qwen2_vl").source, Cache(tmp_path))
    document = results["Narration"].document()
    assert (document.headset, document.settings.score) == (listed.digest, listed.resolve_score())
    origin = results["Answer"].steering
    assert origin is not None
    assert results["Answer"].document().headset == origin.origin.headset  # type: ignore[union-attr]


def test_without_pandas_a_table_says_what_to_install(
    results: dict[str, gaze.Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(GazeError, match="pandas") as raised:
        results["Answer"].to_frame()
    assert "gazecli[frames]" in str(raised.value.hint)
