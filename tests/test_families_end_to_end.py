"""Discover, steer two regions and switch between two, on a random model of every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gazecli as gaze
from gazecli.models.vlm import VLM
from gazecli.steering.schedule import Schedule
from tests.checkpoints import FAMILIES
from tests.conftest import noise_picture, write_comics

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_walks_through_every_room(vlm_of: Callable[[str], VLM], family: str, tmp_path: Path) -> None:
    vlm = vlm_of(family)
    headset = gaze.discover(vlm, write_comics(tmp_path / "comics", 2, 3), panels=3, height=64)
    heads = headset.top(3)
    assert {head.layer for head in heads} <= set(vlm.heads_of)
    picture = noise_picture(240, 80, 3)
    targets = [picture.regions[0], picture.regions[2]]
    steering = gaze.steer_regions(vlm, picture, targets, heads, gaze.SteerSettings(max_new_tokens=3))
    assert all(answer.attention_steered > answer.attention_baseline for answer in steering.answers)
    narration = gaze.switch(
        vlm, picture, Schedule(targets, [0, 3]), heads, gaze.SteerSettings(max_new_tokens=6)
    )
    assert [segment.region.number for segment in narration.segments] == [1, 3]
