"""Processes that run `gaze` at once: forked from one that has torch imported and the model loaded.

A kill or an interrupt then costs a fraction of a second instead of an import of torch. The nursery is a
process of its own with one thread, since forking one with many is no safe thing to do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Left:
    """What a child left behind: its exit code (negative: the signal that killed it), and what it wrote."""

    code: int
    out: str
    err: str
    seconds: float

    def document(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        document: dict[str, Any] = json.loads(self.out)
        return document


class Child:
    """A running `gaze`."""

    def __init__(self, nursery: Nursery, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self._nursery = nursery
        self._out = out
        self._err = err
        self._began = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)
        self._began = time.monotonic()

    def ended(self) -> bool:
        return bool(self._nursery.ask({"ended": self.pid})["ended"])

    def wait(self) -> Left:
        """Wait for its end; the seconds count from the last signal sent, else from its start."""
        code = self._nursery.ask({"wait": self.pid})["code"]
        seconds = time.monotonic() - self._began
        return Left(
            code, self._out.read_text(encoding="utf-8"), self._err.read_text(encoding="utf-8"), seconds
        )


class Nursery:
    """Start `gaze` with arguments, as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._born = 0
        self._mother = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.endurance.mother"],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == {"ready": True}

    def start(
        self,
        *arguments: object,
        env: dict[str, str] | None = None,
        onto: str | None = None,
        **circumstances: object,
    ) -> Child:
        """Run `gaze` with `arguments`; `onto` names a terminal, or a pipe, for both its streams.

        `circumstances` are those of `mother.py`.
        """
        self._born += 1
        out, err = (self._folder / f"{self._born}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.touch()
        streams = [onto or str(out), onto or str(err)]
        order = {"gaze": [*map(str, arguments)], "streams": streams, "env": env or {}, **circumstances}
        return Child(self, self.ask(order)["pid"], out, err)

    def run(self, *arguments: object, **circumstances: Any) -> Left:
        return self.start(*arguments, **circumstances).wait()

    def ask(self, order: dict[str, object]) -> dict[str, Any]:
        assert self._mother.stdin is not None
        self._mother.stdin.write(json.dumps(order) + "\n")
        self._mother.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._mother.communicate(timeout=30)

    def _answer(self) -> dict[str, Any]:
        assert self._mother.stdout is not None
        answer: dict[str, Any] = json.loads(self._mother.stdout.readline())
        return answer
