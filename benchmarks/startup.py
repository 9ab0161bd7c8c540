"""`gaze --help`, `--version` and `cache ls` beside the bare interpreter: at most 0.35 s more, nothing heavy.

Each start is a process of its own; seconds are the fastest of several starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stopwatch import Row, show

MOST_SECONDS = 0.35
COMMANDS = (["--help"], ["--version"], ["cache", "ls"])
_RUN = """\
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write("\\n" + " ".join(sys.modules)))
sys.argv = ["gaze", *{command!r}]
runpy.run_module("gazecli", run_name="__main__")
"""


def seconds_of(arguments: list[str], environment: dict[str, str], starts: int) -> float:
    """The fastest of several starts of `python ARGUMENTS`."""
    fastest = float("inf")
    for _ in range(starts):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
        fastest = min(fastest, time.perf_counter() - began)
    return fastest


def imports_of(command: list[str], environment: dict[str, str]) -> set[str]:
    """The modules that one start of `gaze COMMAND` imports."""
    call = [sys.executable, "-c", _RUN.format(command=command)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def run(starts: int = 7) -> list[Row]:
    """Measure every command."""
    rows = []
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "GAZE_CACHE_DIR": str(Path(folder) / "cache")}
        start = partial(seconds_of, environment=environment, starts=starts)
        bare = start(["-c", ""])
        for command in COMMANDS:
            more = start(["-m", "gazecli", *command]) - bare
            heavy = imports_of(command, environment) & {"torch", "transformers"}
            words = f"{more:.2f} s more, imports {' and '.join(sorted(heavy)) or 'neither'}"
            rows.append(
                Row(
                    f"`gaze {' '.join(command)}`",
                    "the bare interpreter",
                    f"≤ {MOST_SECONDS} s more, neither torch nor transformers",
                    words,
                    more <= MOST_SECONDS and not heavy,
                )
            )
    return rows


if __name__ == "__main__":
    sys.exit(not show(run()))
