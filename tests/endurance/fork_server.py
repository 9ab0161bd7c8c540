"""The process that `processes.py` talks to: it forks a `gaze` for every order it reads.

An order may name circumstances: `locks: false` for a file system without locks, `file_bytes` for a disk on
which no file can grow longer, `save_every` seconds between savings of progress, `folder` to work in,
`bound_by_permissions` even as root.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    _prepare()
    _answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if "gaze" in order:
            _answer({"pid": _fork(order)})
        elif "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            _answer({"code": os.waitstatus_to_exitcode(status)})
        else:
            # Not reaped: `wait` still finds it.
            state = Path(f"/proc/{order['ended']}/stat").read_text().rsplit(")", 1)[1].split()[0]
            _answer({"ended": state == "Z"})
    os._exit(0)


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _prepare() -> None:
    """Import and load once what every child would."""
    import torch

    torch.set_num_threads(1)
    import gazecli as gaze
    from gazecli.cache import Cache
    from tests.conftest import write_comics

    for module in pkgutil.walk_packages(gaze.__path__, "gazecli."):
        if module.name != "gazecli.__main__":
            importlib.import_module(module.name)

    with tempfile.TemporaryDirectory() as folder:
        comics = write_comics(Path(folder) / "comics", strips=2, panels=2)
        gaze.discover("tiny", comics, panels=2, cache=Cache(Path(folder) / "cache"))


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _become(order)
        except BaseException:  # noqa: BLE001 - whatever it was, the test shall read it
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(99)
    return pid


def _become(order: dict[str, Any]) -> NoReturn:
    import torch

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for number, name in enumerate(order["streams"], start=1):
        descriptor = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8") for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    sys.__stderr__ = sys.stderr
    # A fork loses the threads of torch's pool: made anew here, before a loader's threads race to do it.
    torch.set_num_threads(1)
    os.environ.update(order["env"])
    _meet(order)
    sys.argv = ["gaze", *order["gaze"]]
    from gazecli.cli.main import main as gaze

    try:
        gaze()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _meet(circumstances: dict[str, Any]) -> None:
    if "save_every" in circumstances:
        from gazecli.heads import walk as discovery

        discovery.SAVE_EVERY_SECONDS = circumstances["save_every"]
    if not circumstances.get("locks", True):
        import fcntl

        def no_locks(*_: object) -> NoReturn:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        fcntl.flock = no_locks
    if "file_bytes" in circumstances:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (circumstances["file_bytes"], resource.RLIM_INFINITY))
    if "folder" in circumstances:
        os.chdir(circumstances["folder"])
    if circumstances.get("bound_by_permissions"):
        # capset(2) with nothing set: root becomes an owner like any other.
        ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


if __name__ == "__main__":
    main()
