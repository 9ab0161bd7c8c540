"""The same call again and again in one process: memory stays flat."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

import pytest
import torch

from gazecli.models.vlm import VLM
from gazecli.steering.steer import steer
from tests.conftest import noise_picture

HEADS = [(0, 0), (1, 3), (2, 5)]


def steer_once(vlm: VLM, number: int) -> None:
    """One call; sizes, regions and scopes take turns."""
    picture = noise_picture(168, 56 * (1 + number % 2), 3, seed=number % 5)
    scope = ("full", "question", "answer")[number % 3]
    steer(vlm, picture, 1 + number % 3, HEADS, max_new_tokens=3, scope=scope, strength=8.0)


def census() -> tuple[int, int]:
    """Tensors and objects that are alive."""
    gc.collect()
    objects = gc.get_objects()
    # By type: asking some lazy objects for their class would wake them up.
    return sum(issubclass(type(each), torch.Tensor) for each in objects), len(objects)


def resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_twenty_steered_answers_leave_no_tensor_behind(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("tiny")
    for number in range(6):
        steer_once(vlm, number)
    tensors, objects = census()
    for number in range(20):
        steer_once(vlm, number)
    tensors_after, objects_after = census()
    assert tensors_after == tensors
    assert objects_after - objects < 100


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what is resident")
def test_three_hundred_steered_answers_take_no_more_memory(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("tiny")
    for number in range(60):
        steer_once(vlm, number)
    (tensors, objects), resident = census(), resident_mib()
    for number in range(300):
        steer_once(vlm, number)
    tensors_after, objects_after = census()
    assert tensors_after == tensors
    assert objects_after - objects < 100
    assert resident_mib() - resident < 16
