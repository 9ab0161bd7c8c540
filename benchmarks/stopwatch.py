"""Clocks and tables: candidates run in turns, their fastest runs are compared, peaks of memory are read.

Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_MMAP_THRESHOLD = -3  # of glibc's malloc.h: blocks of so many bytes go back to the system when freed
_SMALL, _USUAL = 1 << 20, 1 << 25  # the second is where a process that frees large blocks ends by itself

Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Row:
    """One promise and what was measured; `holds` is None where nothing is promised."""

    what: str
    compared_with: str
    promised: str
    measured: str
    holds: bool | None


def in_turns(candidates: Mapping[str, Callable[[], object]], rounds: int, warm: bool = True) -> Times:
    """Seconds of every run; each round runs every candidate once, so that a busy minute meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + warm):
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            if number >= warm:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(times: Times, over: str, under: str) -> tuple[float, float]:
    """How many times longer `over` takes than `under`: by the fastest runs, and by the medians."""
    return (
        min(times[over]) / min(times[under]),
        median(times[over]) / median(times[under]),
    )


def peak_megabytes(run: Callable[[], object]) -> float:
    """The most memory this process held during `run`, above what it held before; Linux with glibc only.

    Raises OSError where the kernel does not let the mark be reset.
    """
    gc.collect()
    libc = ctypes.CDLL(None)
    # Else holes between what was freed count too, a fifth more or less by chance.
    libc.mallopt(_MMAP_THRESHOLD, _SMALL)
    libc.malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        run()
        return (_status("VmHWM") - before) / 1024
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _USUAL)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise OSError(f"the kernel does not tell {field}")


def show(rows: Sequence[Row]) -> bool:
    """Print the rows as a Markdown table; whether every promise holds."""
    lines = [("what", "compared with", "promised", "measured", "holds")]
    words = {True: "yes", False: "NO", None: ""}
    lines += [(row.what, row.compared_with, row.promised, row.measured, words[row.holds]) for row in rows]
    out = sys.stdout
    for number, line in enumerate(lines):
        out.write("| " + " | ".join(line) + " |\n")
        if number == 0:
            out.write("|---" * len(line) + "|\n")
    out.flush()
    return all(row.holds is not False for row in rows)
