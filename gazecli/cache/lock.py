"""A lock that spares double work between processes, and is never needed for a right result.

Where locking is not supported, or takes too long, one simply goes on without. The operating system frees
the lock of a process that dies. Knows nothing of what is worked on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_SECONDS = 0.1
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def locked(path: Path, timeout: float, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock file `path` inside; yields whether it is held.

    Waits up to `timeout` seconds while another process holds it, after calling `on_wait` once.
    """
    descriptor = _acquire(path, timeout, on_wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            # Gone before it is free: who waits for it sees that and makes a new one.
            with suppress(OSError):
                os.unlink(path)
            os.close(descriptor)


def _acquire(path: Path, timeout: float, on_wait: Callable[[], None] | None) -> int | None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            descriptor = os.open(path, _FLAGS, 0o666)
        except OSError:
            return None
        held = _try(descriptor)
        if held and _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)
        if held is None or (not held and time.monotonic() >= deadline):
            return None
        if not held:
            if on_wait is not None:
                on_wait()
                on_wait = None
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def _try(descriptor: int) -> bool | None:
    """True when the lock was free, False when it is held elsewhere, None when there are no locks here."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except OSError:
        return False
