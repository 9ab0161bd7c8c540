"""Discovery over many strips beside itself on half of them: twice the time, the same memory."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gazecli as gaze
from benchmarks.stopwatch import Row, in_turns, peak_megabytes, ratio, show
from benchmarks.subject import model_of_50_million, write_strips
from gazecli.cache.store import Cache

FACTOR, TOLERANCE = 2.0, 0.15
FLAT = 1.05


def run(strips: int = 8, rounds: int = 2) -> list[Row]:
    """Time both in turns, and read the peaks of memory."""
    with model_of_50_million() as vlm, TemporaryDirectory() as folder:
        comics = write_strips(Path(folder) / "comics", strips)
        cache = Cache(Path(folder) / "cache")
        discover = partial(gaze.discover, vlm, comics, force=True, cache=cache)
        candidates = {"half": partial(discover, samples=strips // 2), "all": discover}
        peaks = {name: peak_megabytes(run) for name, run in candidates.items()}
        fastest, middle = ratio(in_turns(candidates, rounds, warm=False), "all", "half")
    memory = peaks["all"] / peaks["half"]
    return [
        Row(
            f"discovery, {strips} strips",
            f"{strips // 2} of them",
            f"{FACTOR} ± {TOLERANCE} x",
            f"{fastest:.2f} x (medians {middle:.2f})",
            abs(fastest - FACTOR) <= TOLERANCE,
        ),
        Row("its peak memory", f"{strips // 2} of them", f"≤ {FLAT} x", f"{memory:.2f} x", memory <= FLAT),
    ]


if __name__ == "__main__":
    sys.exit(not show(run()))
