"""Real launches: torchrun with processes of its own, on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.fixtures import command_server
from tests.fixtures.command_server import call

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
        assert self.out.endswith("\n"), self.out
        [line] = self.out.splitlines()
        return json.loads(line)

    def lines(self, beginning: str) -> list[str]:
        """The lines of stderr that begin so."""
        return [line for line in self.err.splitlines() if line.startswith(beginning)]


def launch(address: str, processes: int, cache: Path, *arguments: object, apart: bool = False) -> Ran:
    """Run `gaze` under torchrun, or alone where it is one process; the imports of all are done already.

    `address` is that of a command server. With `apart`, each process works in a folder of its own, which
    lies beside the cache and is named by the process's number.
    """
    given, program = [str(argument) for argument in arguments], "gaze"
    if processes > 1:
        worker = [sys.executable, "-I", "-S", str(command_server.__file__), address]
        if apart:
            worker = ["sh", "-c", 'cd "$RANK" && exec "$0" "$@"', *worker]
        given = [*_torchrun(processes), "--no-python", *worker, *given]
        program = "torchrun"
    with TemporaryFile() as out, TemporaryFile() as err:
        with Path(os.devnull).open("rb") as nothing:
            streams = (nothing.fileno(), out.fileno(), err.fileno())
            code = call(address, given, streams, _environment(cache), str(cache.parent), program)
        out.seek(0)
        err.seek(0)
        return Ran(code, out.read().decode("utf-8"), err.read().decode("utf-8"))


def start(processes: int, cache: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start `gaze` under torchrun, all of them interpreters of their own."""
    launcher = [sys.executable, "-m", "torch.distributed.run", *_torchrun(processes), "-m", "gazecli"]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [*launcher, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**_environment(cache), "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def finish(started: subprocess.Popen[str]) -> Ran:
    """Wait for the end."""
    out, err = started.communicate(timeout=110)
    return Ran(started.returncode, out, err)


def _torchrun(processes: int) -> list[str]:
    return ["--standalone", f"--nproc-per-node={processes}"]


def _environment(cache: Path) -> dict[str, str]:
    # A thread each, so that one process adds up in the order in which several do.
    return {**os.environ, "GAZE_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
