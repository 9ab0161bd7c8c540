"""What lies about under the name of a checkpoint is told by its kind, with a step that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.errors import ModelError
from gazecli.models.folder_kinds import KINDS as TABLE
from gazecli.models.load import load
from tests.fixtures.folder_kinds import KINDS, hub_cache, make


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_told_by_its_kind(checkpoint: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    folder = make(kind, checkpoint("llava"), tmp_path / "folder")
    _, said, step = KINDS[kind]
    with pytest.raises(ModelError) as caught:
        load(str(folder), device="cpu")
    assert said in caught.value.message
    assert step in str(caught.value.hint)
    assert caught.value.subject == "folder"


def test_the_hubs_cache_folder_is_told_with_the_models_name(tmp_path: Path) -> None:
    folder = tmp_path / "models--Qwen--Qwen2-VL-7B-Instruct"
    folder.mkdir()
    hub_cache(folder)
    with pytest.raises(ModelError, match="where the Hub's cache keeps a model") as caught:
        load(str(folder), device="cpu")
    assert caught.value.hint == "give its name, Qwen/Qwen2-VL-7B-Instruct"


def test_a_file_is_no_model(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match="a model is a folder, this is a file"):
        load(str(checkpoint("llava") / "model.safetensors"), device="cpu")


def test_every_sentence_and_step_is_short() -> None:
    for kind in TABLE:
        assert len(kind.sentence) <= 110, kind.name
        assert len(kind.step) <= 110, kind.name
        assert not kind.sentence.endswith("."), kind.name
