"""Real launches: torchrun with processes of its own, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What one launch left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout, which must be one document."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1, self.out
        found: dict[str, Any] = json.loads(self.out)
        return found

    def said(self, beginning: str) -> list[str]:
        """The lines of stderr that begin so."""
        return [line for line in self.err.splitlines() if line.startswith(beginning)]


def start(processes: int, cache: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start `gaze` under torchrun, in a process group of its own."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    gaze = [f"--nproc-per-node={processes}", "-m", "gazecli", *map(str, arguments)]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [*launcher, *gaze],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "GAZE_CACHE_DIR": str(cache),
            "OMP_NUM_THREADS": "1",
        },
    )


def finish(started: subprocess.Popen[str]) -> Ran:
    """Wait for the end."""
    out, err = started.communicate(timeout=110)
    return Ran(started.returncode, out, err)
