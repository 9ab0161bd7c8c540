"""The command in a process of its own for every call, without paying for the imports every time.

A server imports everything once and computes nothing; each call is forked from it, with the caller's
streams, folder, environment and arguments. Start-up itself is measured elsewhere, on processes that are
started from nothing. As a script it is `gaze` for shells, and for torchrun, which can be called in the same
way: `prestarted.py SOCKET ARGUMENTS…`.

Knows nothing of what the commands do, and imports nothing heavy before it serves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = {"gaze": "gazecli.cli.main", "torchrun": "torch.distributed.run"}  # where their `main` is
LONGEST_CALL = 100  # seconds
_LARGEST_REQUEST = 1 << 20


def call(
    address: str,
    arguments: list[str],
    streams: tuple[int, int, int],
    env: dict[str, str],
    folder: str,
    program: str = "gaze",
) -> int:
    """Run one of the programs in `folder` with these arguments, on these file descriptors: its exit code."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(address)
        wanted = {"arguments": [program, *arguments], "folder": folder, "env": env}
        request = json.dumps(wanted).encode()
        socket.send_fds(asked, [request], list(streams))
        asked.shutdown(socket.SHUT_WR)
        answer = asked.recv(16)
    if not answer:
        raise RuntimeError("the prestarted process ended without an answer")
    return int(answer)


def start(address: str, root: Path) -> subprocess.Popen[bytes]:
    """A server at `address`, ready for calls; closing its stdin ends it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.prestarted", "--serve", address],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
    )
    until = time.monotonic() + LONGEST_CALL
    while not Path(address).exists():
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the prestarted process did not start")
        time.sleep(0.02)
    return server


def serve(address: str) -> None:
    """Answer calls until stdin is closed."""
    _import_everything()
    gc.freeze()
    waiting = f"{address}.new"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(waiting)
        door.listen()
        Path(waiting).rename(address)  # who sees the socket can connect
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while sys.stdin not in (ready := select.select([door, sys.stdin], [], [])[0]):
            if ready and _become_caller(door.accept()[0]):
                return


def _become_caller(asked: socket.socket) -> bool:
    """Fork; True in the process that is to run the command, once it has taken the caller's place."""
    if os.fork():
        asked.close()
        return False
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, streams, _, _ = socket.recv_fds(asked, _LARGEST_REQUEST, 3)
    while more := asked.recv(_LARGEST_REQUEST):
        text += more
    if command := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        with suppress(OSError):  # who asked may have been ended meanwhile
            asked.sendall(str(code).encode())
        os._exit(0)
    asked.close()
    signal.alarm(LONGEST_CALL)
    _take_the_place_of(json.loads(text), streams)
    return True


def _take_the_place_of(request: dict[str, object], streams: list[int]) -> None:
    for number, given in enumerate(streams):
        os.dup2(given, number)
        os.close(given)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["folder"]))
    sys.argv = [*request["arguments"]]  # type: ignore[misc]
    # Open as long as the process runs.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _import_everything() -> None:
    import importlib
    import pkgutil

    import gazecli

    for module in pkgutil.walk_packages(gazecli.__path__, "gazecli."):
        if module.name != "gazecli.__main__":
            importlib.import_module(module.name)
    for program in PROGRAMS.values():
        importlib.import_module(program)
    importlib.import_module("accelerate")
    importlib.import_module("transformers.models.qwen2_vl.modeling_qwen2_vl")


def _command() -> int:
    import importlib

    try:
        importlib.import_module(PROGRAMS[sys.argv[0]]).main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def _end_at_once(code: int) -> None:
    """Taking down an interpreter that holds everything takes longer than most calls."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run() -> None:
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
        if sys.argv[0] in PROGRAMS:
            _end_at_once(_command())
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:], (0, 1, 2), dict(os.environ), os.getcwd()))


if __name__ == "__main__":
    _run()
