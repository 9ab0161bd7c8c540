"""Processes that run `gaze` at once: forked from one that has torch imported and the model loaded.

A kill or an interrupt then costs a fraction of a second instead of an import of torch. The server is a
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
class Result:
    """What a child left behind: its exit code (negative: the signal that killed it), and what it wrote."""

    code: int
    out: str
    err: str
    seconds: float

    def document(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        document: dict[str, Any] = json.loads(self.out)
        return document


def hears(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        caught = next((line.split()[1] for line in status if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


class Process:
    """A running `gaze`."""

    def __init__(self, fork_server: ForkServer, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self._server = fork_server
        self._out = out
        self._err = err
        self._began = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that it is to hear waits until it does, a moment after it was forked."""
        while number in (signal.SIGINT, signal.SIGTERM) and not hears(self.pid, signal.SIGTERM):
            if self.ended():
                return
            time.sleep(0.002)
        os.kill(self.pid, number)
        self._began = time.monotonic()

    def ended(self) -> bool:
        return bool(self._server.ask({"ended": self.pid})["ended"])

    def wait(self) -> Result:
        """Wait for its end; the seconds count from the last signal sent, else from its start."""
        code = self._server.ask({"wait": self.pid})["code"]
        seconds = time.monotonic() - self._began
        return Result(
            code, self._out.read_text(encoding="utf-8"), self._err.read_text(encoding="utf-8"), seconds
        )


class ForkServer:
    """Start `gaze` with arguments, as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.endurance.fork_server"],
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
        into: str | None = None,
        **circumstances: object,
    ) -> Process:
        """Run `gaze` with `arguments`, `onto` a terminal, or with its results `into` a pipe.

        `circumstances` are those of `fork_server.py`.
        """
        self._started += 1
        out, err = (self._folder / f"{self._started}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.touch()
        streams = [onto or into or str(out), onto or str(err)]
        order = {"gaze": [*map(str, arguments)], "streams": streams, "env": env or {}, **circumstances}
        return Process(self, self.ask(order)["pid"], out, err)

    def run(self, *arguments: object, **circumstances: Any) -> Result:
        return self.start(*arguments, **circumstances).wait()

    def ask(self, order: dict[str, object]) -> dict[str, Any]:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._server.communicate(timeout=30)

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer
