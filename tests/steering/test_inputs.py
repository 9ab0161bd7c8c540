"""What a person may give for a model, a picture, a region, heads and a schedule, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gazecli as gaze
from gazecli.errors import (
    HeadSetError,
    ModelError,
    PictureError,
    RegionError,
    ScheduleError,
    UsageError,
)
from gazecli.models.vlm import VLM
from tests.conftest import noise_picture, write_comics

HEADS = [(0, 1), (1, 3), (2, 0)]


@pytest.fixture
def vlm(vlm_of: Callable[[str], VLM]) -> VLM:
    return vlm_of("qwen2_vl")


@pytest.fixture
def headset(vlm: VLM, tmp_path: Path) -> gaze.HeadSet:
    return gaze.discover(vlm, write_comics(tmp_path / "comics", 2, 3), panels=3, height=64)


def test_a_head_set_is_named_in_every_way(vlm: VLM, headset: gaze.HeadSet, tmp_path: Path) -> None:
    picture = noise_picture(420, 130, 3)
    expected = gaze.steer(vlm, picture, 2, headset.top(), max_new_tokens=2)
    file = headset.save(tmp_path)
    for heads in (None, headset, headset.digest, headset.digest[7:15], file, str(file), list(headset.top())):
        answer = gaze.steer(vlm, picture, 2, heads, max_new_tokens=2)
        assert answer.attention_steered == expected.attention_steered
    typed = ",".join(f"{layer}.{head}" for layer, head in headset.top())
    assert gaze.steer(vlm, picture, 2, typed, max_new_tokens=2).text == expected.text
    two = gaze.steer(vlm, picture, 2, headset, top=2, score="selectivity", max_new_tokens=2)
    assert two.steering is not None
    assert two.steering.heads == headset.top(2, "selectivity")
    origin = two.steering.origin
    assert origin is not None
    assert (origin.headset, origin.score, origin.model.digest) == (headset.digest, "selectivity", vlm.digest)


def test_a_saved_head_set_is_loaded_again_and_another_file_is_not_replaced(
    headset: gaze.HeadSet, tmp_path: Path
) -> None:
    file = headset.save(tmp_path / "mine.safetensors")
    assert headset.save(file) == file
    again = gaze.HeadSet.load(file)
    assert (again.digest, again.top()) == (headset.digest, headset.top())
    assert gaze.HeadSet.load(headset.digest[7:13]).digest == headset.digest
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"something")
    with pytest.raises(UsageError, match="exists already"):
        headset.save(other)
    headset.save(other, overwrite=True)
    assert gaze.HeadSet.load(other).digest == headset.digest


def test_the_best_heads_of_another_model_are_refused(
    vlm_of: Callable[[str], VLM], headset: gaze.HeadSet
) -> None:
    with pytest.raises(HeadSetError, match="belongs to"):
        gaze.steer(vlm_of("qwen2_5_vl"), noise_picture(420, 130, 3), 2, headset.top(2), max_new_tokens=1)


def test_a_model_is_named_and_a_picture_comes_in_every_form() -> None:
    strip = Path("examples/strip.png")
    image = Image.open(strip)
    heads = [(3, 1), (3, 2)]
    texts = {
        gaze.steer("tiny", given, 3, heads, max_new_tokens=2, require_effect=False).text
        for given in (strip, str(strip), image, np.asarray(image.convert("RGB")))
    }
    assert len(texts) == 1


def test_a_schedule_is_a_list_a_text_or_ready(vlm: VLM) -> None:
    picture = noise_picture(420, 130, 3)
    every: dict[str, Any] = {"heads": HEADS, "max_new_tokens": 8, "require_effect": False}
    ready = gaze.Schedule([picture.regions[1], picture.regions[2]], [0, 4])
    texts = [
        gaze.switch(vlm, picture, [2, 3], every=4, **every).text,
        gaze.switch(vlm, picture, "2,3", at="0,4", **every).text,
        gaze.switch(vlm, picture, [np.int64(2), picture.regions[2]], at=[0, 4], **every).text,
        gaze.switch(vlm, picture, ready, **every).text,
    ]
    assert len(set(texts)) == 1
    boxes = gaze.switch(vlm, picture, [[0, 0, 140, 130], "right", [0, 0, 140, 130]], every=2, **every)
    assert [segment.region.number for segment in boxes.segments] == [4, 5, 4]


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"model": 3}, ModelError, "not a model: int"),
        ({"model": None}, ModelError, "not a model"),
        ({"model": "no/such-model-here"}, ModelError, "no/such-model-here"),
        ({"picture": None}, PictureError, "not a picture: NoneType"),
        ({"picture": np.zeros((4, 4, 3))}, PictureError, "float64, 4 x 4 x 3"),
        ({"picture": np.zeros((4, 4, 2), np.uint8)}, PictureError, "4 x 4 x 2"),
        ({"region": None}, RegionError, "not a region: None"),
        ({"region": True}, RegionError, "not a region: True"),
        ({"region": 2.0}, RegionError, "not a region: 2.0"),
        ({"region": {"box": [0, 0, 1, 1]}}, RegionError, "not a region"),
        ({"region": "third"}, RegionError, "not a region: third"),
        ({"region": [1, 2, 3]}, RegionError, "four numbers"),
        ({"region": ["a", "b", "c", "d"]}, RegionError, "not a number"),
        ({"heads": 5}, HeadSetError, "heads are pairs"),
        ({"heads": [3, 4, 5]}, HeadSetError, "pairs"),
        ({"heads": []}, UsageError, "no heads"),
        ({"heads": "ffffffff"}, HeadSetError, "ffffffff"),
        ({"heads": None}, HeadSetError, "no head set of this model"),
        ({"top": 2}, UsageError, "top has no effect"),
        ({"score": "raw"}, UsageError, "score has no effect"),
        ({"prompt": 3}, UsageError, "prompt is not text"),
        ({"strength": None}, UsageError, "strength"),
        ({"strength": [1]}, UsageError, "strength"),
        ({"mode": ["blind"]}, UsageError, "no such mode"),
        ({"scope": None}, UsageError, "no such scope"),
        ({"max_new_tokens": "ten"}, UsageError, "ten"),
        ({"max_new_tokens": 1.5}, UsageError, "1.5"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_in_words(
    vlm: VLM, wrong: dict[str, Any], error: type[Exception], words: str
) -> None:
    right: dict[str, Any] = {"model": vlm, "picture": noise_picture(420, 130, 3), "region": 2, "heads": HEADS}
    with pytest.raises(error, match=words):
        gaze.steer(**{**right, "max_new_tokens": 2, **wrong})


@pytest.mark.parametrize("wrong", [None, 3, [], "", [2, ""]])
def test_what_is_no_schedule_is_refused_in_words(vlm: VLM, wrong: Any) -> None:
    with pytest.raises(ScheduleError):
        gaze.switch(vlm, noise_picture(420, 130, 3), wrong, HEADS)


def test_a_region_whose_mask_is_of_another_picture_is_refused(vlm: VLM) -> None:
    small, large = noise_picture(100, 50, 2), noise_picture(420, 130, 3)
    circle = small.region("circle:50%,50%,20%")
    with pytest.raises(RegionError, match="100 x 50"):
        gaze.steer(vlm, large, circle, HEADS, max_new_tokens=1)


def test_wrong_input_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no-model")
    with pytest.raises(RegionError):
        gaze.steer(nowhere, noise_picture(420, 130, 3), 9, HEADS)
    with pytest.raises(UsageError):
        gaze.steer(nowhere, noise_picture(420, 130, 3), 1, HEADS, strength=-1)
    with pytest.raises(ModelError):
        gaze.steer(nowhere, noise_picture(420, 130, 3), 1, HEADS)
    assert not os.listdir(tmp_path)


def test_results_say_in_one_line_what_they_are(vlm: VLM, headset: gaze.HeadSet) -> None:
    picture = noise_picture(420, 130, 3)
    answer = gaze.steer(vlm, picture, 2, headset, max_new_tokens=3)
    narration = gaze.switch(vlm, picture, [1, 2], HEADS, every=2, require_effect=False)
    tracking = gaze.track(vlm, picture, headset, controls=[headset.controls(2)], max_new_tokens=3)
    lines = {
        each: repr(each) for each in (vlm, headset, picture, answer, answer.steering, narration, tracking)
    }
    for result, line in lines.items():
        assert line.startswith(f"{type(result).__name__}(")
        assert len(line) < 200
        assert "\n" not in line
        assert "array" not in line
    assert headset.digest[:19] in lines[headset]
    assert "attention 0." in lines[answer]
