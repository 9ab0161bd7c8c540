"""A walk interrupted between any two steps, in the same process, ends with the digest of a clean one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads import measure as measuring
from gazecli.heads import sums as accumulation
from gazecli.heads import walk as discovery
from gazecli.models.vlm import VLM
from tests.conftest import write_comics

WATCHED = {accumulation.__file__, discovery.__file__, measuring.__file__}


@contextmanager
def interrupted_at(step: int | None) -> Iterator[list[str]]:
    """Raise KeyboardInterrupt before the `step`-th line of the walk; gives the lines that ran."""
    lines: list[str] = []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event == "line":
            lines.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(lines) - 1 == step:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def moments(lines: list[str]) -> list[int]:
    """The first and the last time that each line runs."""
    chosen: set[int] = set()
    for line in dict.fromkeys(lines):
        times = [number for number, ran in enumerate(lines) if ran == line]
        chosen |= {times[0], times[-1]}
    return sorted(chosen)


def check_every(vlm: VLM, comics: Path, folder: Path, batch_size: int, wanted: Callable[[str], bool]) -> int:
    def walk(cache: Cache) -> gaze.HeadSet:
        return gaze.discover(vlm, comics, panels=2, height=32, gap=0, batch_size=batch_size, cache=cache)

    with interrupted_at(None) as lines:
        clean = walk(Cache(folder / "clean"))
    resumed = 0
    for step in moments(lines):
        if not wanted(lines[step]):
            continue
        cache = Cache(folder / f"step {step}")
        with pytest.raises(KeyboardInterrupt), interrupted_at(step):
            walk(cache)
        again = walk(cache)
        assert again.digest == clean.digest, lines[step]
        assert cache.verify() == []
        resumed += 0 < again.resumed_from < 5
    return resumed


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    """Five strips, one of which cannot be read to its end."""
    folder = write_comics(tmp_path / "comics", strips=5, panels=2, size=28)
    victim = sorted(folder.iterdir())[2] / "p2.png"
    victim.write_bytes(victim.read_bytes()[:-60])
    return folder


def test_an_interrupt_between_two_steps_of_a_sum_is_never_kept(
    vlm_of: Callable[[str], VLM], comics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SAVE_EVERY_SECONDS", 0)
    vlm = vlm_of("qwen2_vl")
    assert check_every(vlm, comics, tmp_path, 2, lambda line: line.startswith("add:")) > 3


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.timeout(900)
def test_an_interrupt_at_every_line_of_the_walk_is_made_good(
    vlm_of: Callable[[str], VLM],
    comics: Path,
    tmp_path: Path,
    batch_size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "SAVE_EVERY_SECONDS", 0)
    assert check_every(vlm_of("qwen2_vl"), comics, tmp_path, batch_size, lambda line: True) > 10
