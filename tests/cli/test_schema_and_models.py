"""`gaze schema` and `gaze models`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gazecli.models.catalogue import CATALOGUE, resolve_alias
from gazecli.reports.documents.schemas import DOCUMENTS
from tests.cli.conftest import Gaze
from tests.fixtures.checkpoints import RECIPES
from tests.fixtures.published import PUBLISHED, metadata


def test_every_document_has_a_schema(gaze: Gaze) -> None:
    assert json.loads(gaze("schema").out) == list(DOCUMENTS)
    for name in DOCUMENTS:
        schema = json.loads(gaze("schema", name).out)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"]["schema"]["const"] == f"gaze.{name}/1"
        assert {"schema", "gaze"} <= set(schema["required"])


def test_a_schema_is_also_found_by_its_full_name(gaze: Gaze) -> None:
    assert gaze("schema", "gaze.steer/1").out == gaze("schema", "steer").out


def test_models_lists_the_catalogue_with_the_figures_of_the_paper(gaze: Gaze) -> None:
    rows = {row["alias"]: row for row in gaze("models").document("models")["models"]}
    assert list(rows) == [entry.alias for entry in CATALOGUE]
    assert rows["tiny"]["on_this_machine"]
    assert rows["qwen3-vl-8b"]["published"] == {"top": 100, "gaze": 83.1, "control": 14.6}


def test_models_says_which_layers_and_heads_are_unchecked(gaze: Gaze) -> None:
    rows = {row["alias"]: row for row in gaze("models").document("models")["models"]}
    assert rows["idefics3-8b"]["unchecked"]
    assert not rows["qwen3-vl-8b"]["unchecked"]
    told = gaze("models", "--format", "human").out
    assert "* unchecked" in told
    cells = [line.split() for line in told.splitlines()]
    marked = {row[0] for row in cells if len(row) > 3 and row[2].endswith("*") and row[3].endswith("*")}
    assert marked == {alias for alias, row in rows.items() if row["unchecked"]}


# Models x their best K, accuracy with it and with as many other heads, in per cent, as the paper has them.
PAPER = {
    "qwen3-vl-2b": (10, 68.6, 1.3),
    "qwen3-vl-4b": (75, 72.9, 1.5),
    "qwen3-vl-8b": (100, 83.1, 14.6),
    "qwen3-vl-32b": (500, 70.2, 12.0),
    "ovis1.5-8b": (100, 68.7, 13.0),
    "qwen2-vl-7b": (90, 66.2, 0.0),
    "internvl3.5-8b": (140, 62.7, 31.0),
    "llava-1.5-13b": (160, 39.0, 13.8),
    "llava-next-7b": (100, 35.3, 26.7),
    "bunny-3b": (10, 8.3, 0.0),
}


def test_every_model_of_the_paper_has_a_short_name_and_its_figures() -> None:
    published = {e.alias: e.published for e in CATALOGUE if e.published is not None}
    assert {alias: (p.top, p.gaze, p.control) for alias, p in published.items()} == PAPER


def test_short_names_and_hub_ids_are_each_given_once() -> None:
    for names in ([entry.alias for entry in CATALOGUE], [entry.id for entry in CATALOGUE]):
        assert len(names) == len({name.lower() for name in names})
    assert all(entry.alias == "tiny" or resolve_alias(entry.id) == entry.id for entry in CATALOGUE)


def test_a_family_is_in_the_catalogue_when_its_token_map_was_proven_or_with_the_reason() -> None:
    configured = {recipe.config(lambda _: 1, 500).model_type for recipe in RECIPES.values()}
    configured |= {metadata(name)["files"]["config.json"]["model_type"] for name in PUBLISHED}
    for entry in CATALOGUE:
        assert entry.family in configured or "refused" in str(entry.note), entry


def test_models_tells_which_checkpoints_are_on_this_machine(gaze: Gaze, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen2-VL-2B-Instruct" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    elsewhere = tmp_path / "hub" / "models--Qwen--Qwen2-VL-7B-Instruct" / "snapshots" / ("1" * 40)
    elsewhere.mkdir(parents=True)
    (elsewhere / "config.json").write_text("{}")
    (elsewhere / "model-00001-of-00002.safetensors").write_bytes(b"")  # the other was never fetched
    for name in ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        (snapshot / name).write_text("{}")
    ran = gaze("models", env={"HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}, fresh=True)
    here = {row["alias"] for row in ran.document("models")["models"] if row["on_this_machine"]}
    assert here == {"tiny", "qwen2-vl-2b"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct"),
        ("Qwen3-VL-8B", "Qwen/Qwen3-VL-8B-Instruct"),
        ("somebody/some.model-1", "somebody/some.model-1"),
        ("nobody", None),
        ("../etc", None),
        ("a/b/c", None),
        ("", None),
    ],
)
def test_names_resolve_to_hub_ids(name: str, found: str | None) -> None:
    assert resolve_alias(name) == found
