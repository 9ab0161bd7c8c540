"""Real launches: torchrun with processes of its own, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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
        (found,) = self.documents
        return found

    @property
    def documents(self) -> list[dict[str, Any]]:
        """stdout, which must be a document a line."""
        assert self.code == 0, self.err
        assert self.out.endswith("\n"), self.out
        return [json.loads(line) for line in self.out.splitlines()]

    def said(self, beginning: str) -> list[str]:
        """The lines of stderr that begin so."""
        return [line for line in self.err.splitlines() if line.startswith(beginning)]


def start(processes: int, cache: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start `gaze` under torchrun."""
    return _start(processes, cache, "gazecli", *map(str, arguments))


def start_calls(processes: int, cache: Path, *calls: Sequence[object]) -> subprocess.Popen[str]:
    """Start several calls of `gaze`, one after another, under one torchrun."""
    texts = [[str(argument) for argument in arguments] for arguments in calls]
    return _start(processes, cache, "tests.processes.calls", json.dumps(texts))


def _start(processes: int, cache: Path, module: str, *arguments: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [*launcher, f"--nproc-per-node={processes}", "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
