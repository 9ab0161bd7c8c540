"""`gaze schema` and `gaze models`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import gazecli
from gazecli.models.catalogue import CATALOGUE, resolve_alias
from gazecli.reports.schemas import DOCUMENTS
from tests.cli.conftest import Gaze


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


def test_the_row_of_tiny_tells_the_truth() -> None:
    path = Path(gazecli.__file__).parent / "tiny" / "checkpoint" / "config.json"
    if not path.exists():
        pytest.skip("the checkpoint is not built yet")
    text = json.loads(path.read_text())["text_config"]
    tiny = next(entry for entry in CATALOGUE if entry.alias == "tiny")
    assert (tiny.layers, tiny.heads) == (text["num_hidden_layers"], text["num_attention_heads"])
