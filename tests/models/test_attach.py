"""A model and a processor of the caller become a `VLM`: the same digest, the same answers, left as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

import gazecli as gaze
from gazecli.errors import HeadSetError, ModelError
from gazecli.models.processor import load_processor
from gazecli.models.vlm import VLM
from tests.conftest import noise_picture, write_comics

HEADS = [(0, 1), (1, 3), (2, 0)]


def opened(folder: Path, **options: Any) -> tuple[Any, Any]:
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32", **options)
    # AutoProcessor does the same where torchvision is there, which some processors ask for.
    return model, load_processor(folder, model.config.model_type, False)


@pytest.mark.parametrize("family", ["qwen2_vl", "llava"])
def test_a_model_of_ones_own_is_the_one_that_is_loaded_by_name(
    vlm_of: Callable[[str], VLM], checkpoint: Callable[[str], Path], family: str, tmp_path: Path
) -> None:
    loaded = vlm_of(family)
    model, processor = opened(checkpoint(family), attn_implementation="sdpa")
    vlm = gaze.attach(model, processor, checkpoint(family))
    assert vlm.digest == loaded.digest
    assert vlm.facts == loaded.facts
    picture = noise_picture(420, 130, 3)
    ours, theirs = (gaze.steer(each, picture, 2, HEADS, max_new_tokens=4) for each in (vlm, loaded))
    assert ours.text == theirs.text
    assert ours.attention_steered == pytest.approx(theirs.attention_steered, abs=1e-5)
    headset = gaze.discover(loaded, write_comics(tmp_path / "comics", 2, 3), panels=3, height=64)
    assert gaze.steer(vlm, picture, 2, headset, max_new_tokens=1).steering is not None
    assert vlm.decoder.config._attn_implementation == "sdpa"
    inputs, _ = vlm.prepare(picture, "What is this?")
    attached = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    alone, _ = opened(checkpoint(family))
    assert torch.equal(attached, alone.generate(**inputs, max_new_tokens=4, do_sample=False))


def test_weights_of_ones_own_are_a_model_of_their_own(
    vlm_of: Callable[[str], VLM], checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkpoint("qwen2_vl")
    tuned = [opened(folder) for _ in range(2)]
    for model, _ in tuned:
        with torch.no_grad():
            dict(model.named_parameters())[
                next(name for name, _ in model.named_parameters() if "q_proj.weight" in name)
            ].add_(0.5)
    with pytest.raises(ModelError, match=r"q_proj\.weight differs"):
        gaze.attach(*tuned[0], folder)
    first, second = (gaze.attach(*each, name="tuned") for each in tuned)
    assert first.digest == second.digest != vlm_of("qwen2_vl").digest
    comics = write_comics(tmp_path / "comics", 2, 3)
    headset = gaze.discover(first, comics, panels=3, height=64)
    picture = noise_picture(420, 130, 3)
    assert gaze.steer(second, picture, 2, headset, max_new_tokens=1).steering is not None
    with pytest.raises(HeadSetError, match="belongs to"):
        gaze.steer(vlm_of("qwen2_vl"), picture, 2, headset, max_new_tokens=1)


def test_what_cannot_be_attached_is_refused_in_words(checkpoint: Callable[[str], Path]) -> None:
    model, processor = opened(checkpoint("qwen2_vl"))
    with pytest.raises(ModelError, match="not a model of transformers"):
        gaze.attach("tiny", processor)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="not a processor"):
        gaze.attach(model, None)
    with pytest.raises(ModelError, match="no-such"):
        gaze.attach(model, processor, "no-such/checkpoint")
    with pytest.raises(ModelError, match="weights of this checkpoint"):
        gaze.attach(model, processor, "tiny")
    gaze.attach(model, processor)
    with pytest.raises(ModelError, match="attached already"):
        gaze.attach(model, processor)
