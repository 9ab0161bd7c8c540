"""Batches of strips: what fits is found out once, and whoever runs out of memory takes smaller steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.errors import GazeError
from gazecli.models.architecture import find_vision_tower
from gazecli.models.vlm import VLM
from tests.conftest import write_comics

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 1.0 GB)."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    return write_comics(tmp_path / "comics", strips=5, panels=3)


@contextmanager
def device_for(vlm: VLM, most: int, failure: Exception) -> Iterator[list[int]]:
    """A device that fails above `most` strips at once; gives the batches that were tried."""
    tried: list[int] = []

    def look(_tower: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        grid = kwargs["grid_thw"] if "grid_thw" in kwargs else args[1]
        tried.append(len(grid))
        if len(grid) > most:
            raise failure

    hook = find_vision_tower(vlm.model).register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield tried
    finally:
        hook.remove()


@pytest.mark.parametrize("failure", OUT_OF_MEMORY, ids=["cuda", "mps", "cpu", "cublas"])
def test_running_out_of_memory_steps_down_and_stays_there(
    vlm_of: Callable[[str], VLM], comics: Path, failure: Exception
) -> None:
    vlm = vlm_of("qwen2_vl")
    plain = gaze.discover(vlm, comics, panels=3, height=64)
    with device_for(vlm, 2, failure) as tried:
        found = gaze.discover(vlm, comics, panels=3, height=64, batch_size="auto", force=True)
    assert tried == [5, 2, 2, 1]
    np.testing.assert_allclose(found.matrices, plain.matrices, atol=1e-5)
    assert found.top(3) == plain.top(3)


def test_a_strip_that_does_not_fit_alone_is_an_error_with_a_way_out(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    vlm = vlm_of("qwen2_vl")
    with device_for(vlm, 0, OUT_OF_MEMORY[0]) as tried, pytest.raises(GazeError) as refused:
        gaze.discover(vlm, comics, panels=3, height=64)
    assert refused.value.code == "discover.memory"
    assert tried == [5, 2, 1]


def test_another_error_of_the_model_is_not_taken_for_want_of_memory(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    vlm = vlm_of("qwen2_vl")
    with device_for(vlm, 0, RuntimeError("shapes do not match")), pytest.raises(RuntimeError, match="shapes"):
        gaze.discover(vlm, comics, panels=3, height=64)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_strips_of_equal_size_are_batched_as_asked_and_agree(
    vlm_of: Callable[[str], VLM], comics: Path, batch_size: int
) -> None:
    vlm = vlm_of("qwen3_vl")
    alone = gaze.discover(vlm, comics, panels=3, height=64, batch_size=1)
    with device_for(vlm, 99, MemoryError()) as tried:
        found = gaze.discover(vlm, comics, panels=3, height=64, batch_size=batch_size, force=True)
    assert max(tried) == batch_size
    assert sum(tried) == 5
    np.testing.assert_allclose(found.matrices, alone.matrices, atol=1e-5)
    assert found.top(5) == alone.top(5)


def test_a_profile_tells_every_phase_and_no_more_than_the_whole(
    vlm_of: Callable[[str], VLM], comics: Path
) -> None:
    vlm = vlm_of("qwen2_vl")
    timing = gaze.discover(vlm, comics, panels=3, height=64, profile=True).timing
    spent = timing["profile"]
    assert list(spent) == ["read", "patch", "wait", "vision", "prefix", "questions", "reduce", "store"]
    for phase in ("read", "patch", "vision", "prefix", "questions"):
        assert spent[phase] > 0, phase
    beside = {"read", "patch"}
    assert sum(seconds for phase, seconds in spent.items() if phase not in beside) <= timing["seconds"] + 0.01
    assert "profile" not in gaze.discover(vlm, comics, panels=3, height=64, profile=True).timing
    assert "profile" not in gaze.discover(vlm, comics, panels=3, height=64, force=True).timing
