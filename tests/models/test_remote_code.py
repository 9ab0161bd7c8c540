"""Checkpoints with their own code run with permission, when their attention and processor can be reached."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import transformers.dynamic_module_utils

import gazecli as gaze
from gazecli.errors import ModelError
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.checks.model_checks import self_check
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests.conftest import noise_picture, write_comics
from tests.fixtures.folder_kinds import changed_weights
from tests.fixtures.perturbation import dark_picture
from tests.fixtures.remote_code import OWN_ATTENTION, with_own_code, without_processor


@pytest.fixture(scope="module", autouse=True)
def own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where transformers copies the code of checkpoints to; folders of one name share it."""
    folder = tmp_path_factory.mktemp("modules")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(folder))
        patch.syspath_prepend(str(folder))
        yield


@pytest.fixture
def stock(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("llava")


def test_own_code_is_not_run_without_leave(stock: Path, tmp_path: Path) -> None:
    folder = with_own_code(stock, tmp_path / "unread")
    with pytest.raises(ModelError, match="its own code") as caught:
        load(str(folder), device="cpu")
    assert caught.value.code == "model.remote_code"
    assert "--trust-remote-code" in str(caught.value.hint)
    assert not any(name.startswith("transformers_modules.unread") for name in sys.modules)


@pytest.mark.parametrize("registered", ["AutoModelForImageTextToText", "AutoModelForCausalLM"])
def test_with_leave_it_is_watched_and_steered(stock: Path, tmp_path: Path, registered: str) -> None:
    folder = with_own_code(stock, tmp_path / registered.lower(), registered=registered)
    vlm = load(str(folder), device="cpu", trust_remote_code=True)
    assert vlm.family == "looker"
    headset = gaze.discover(vlm, write_comics(tmp_path / "comics", 1, 3), panels=3, height=64)
    answer = gaze.steer(vlm, noise_picture(240, 80, 3), 2, headset.top(2), max_new_tokens=2, strength="hard")
    assert answer.attention_steered > 0.99
    picture = Picture.from_image(dark_picture(240, 80), panels=3)
    assert not any(finding.holds is False for finding in self_check(vlm, picture))


def test_attention_in_code_of_its_own_is_refused_with_the_layer(stock: Path, tmp_path: Path) -> None:
    folder = with_own_code(stock, tmp_path / "own_attention", OWN_ATTENTION)
    with pytest.raises(ModelError, match="layer 1 computes attention in code of its own") as caught:
        load(str(folder), device="cpu", trust_remote_code=True)
    assert caught.value.code == "model.unsupported"


def test_a_weight_that_would_stay_random_is_refused(stock: Path, tmp_path: Path) -> None:
    folder = with_own_code(stock, tmp_path / "random_head")
    changed_weights(folder, lambda name: None if name == "lm_head.weight" else name)
    with pytest.raises(ModelError, match=r"1 weight of this model is not in the checkpoint, lm_head\.weight"):
        load(str(folder), device="cpu", trust_remote_code=True)


def test_a_checkpoint_without_a_processor_is_refused_with_the_reason(stock: Path, tmp_path: Path) -> None:
    folder = without_processor(with_own_code(stock, tmp_path / "bare"))
    with pytest.raises(ModelError, match="no processor that writes image tokens") as caught:
        load(str(folder), device="cpu", trust_remote_code=True)
    assert caught.value.code == "model.unsupported"


def test_own_code_is_part_of_what_a_checkpoint_is(stock: Path, tmp_path: Path) -> None:
    folder = with_own_code(stock, tmp_path / "looker")
    twin, other = tmp_path / "twin", tmp_path / "other"
    before = find_checkpoint(str(folder)).digest()
    assert before == find_checkpoint(str(with_own_code(stock, twin))).digest()
    assert before != find_checkpoint(str(with_own_code(stock, other, OWN_ATTENTION))).digest()


@pytest.mark.parametrize("family", ["llava", "llava_full", "llava_bunny", "llava_next"])
def test_an_older_repository_takes_the_patch_size_from_the_models_configuration(
    checkpoint: Callable[[str], Path], vlm_of: Callable[[str], VLM], tmp_path: Path, family: str
) -> None:
    folder = Path(shutil.copytree(checkpoint(family), tmp_path / "older"))
    settings = json.loads((folder / "processor_config.json").read_text())
    for name in ("patch_size", "num_additional_image_tokens", "vision_feature_select_strategy"):
        del settings[name]
    (folder / "processor_config.json").write_text(json.dumps(settings))
    picture = noise_picture(300, 200, 2)
    older = load(str(folder), device="cpu").prepare(picture, "What is this?")[1]
    today = vlm_of(family).prepare(picture, "What is this?")[1]
    assert torch.equal(older.positions, today.positions)
    torch.testing.assert_close(older.boxes, today.boxes, equal_nan=True)
