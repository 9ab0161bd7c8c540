"""Single files on disk: read whole and bounded, written so that they are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gazecli.errors import UsageError, unwritable

TEMPORARY_PREFIX = ".gaze-"
TEMPORARY_SUFFIX = ".tmp"

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
_READ = os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _NO_LINKS
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}


class NotPlain(OSError):
    """It is there, but it is no regular file of at most the allowed size."""


def open_plain(path: Path, *, follow_links: bool = False) -> int:
    """A descriptor for reading the regular file `path`; NotPlain for anything else, OSError as from open."""
    try:
        descriptor = os.open(path, _READ | (0 if follow_links else _NO_LINKS))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise NotPlain("it is not a regular file") from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) or (not follow_links and not _NO_LINKS and path.is_symlink()):
        os.close(descriptor)
        raise NotPlain("it is not a regular file")
    return descriptor


def read_whole(path: Path, limit: int, *, follow_links: bool = False) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; NotPlain or OSError otherwise."""
    with os.fdopen(open_plain(path, follow_links=follow_links), "rb") as file:
        # The size is that of the open file, and one byte more is read, because files grow.
        if os.fstat(file.fileno()).st_size > limit:
            raise NotPlain(f"it is larger than {limit} bytes")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise NotPlain(f"it is larger than {limit} bytes")
    return data


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` at `path` in one step, in a folder that exists; OSError leaves nothing behind.

    The file is private until it is complete, then has the permissions of the user's umask. `durable`
    also waits until the disk has it.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(12)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, _CREATE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _apply_umask(descriptor)
            if durable:
                _sync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_folder(path.parent)


def export_file(
    data: bytes, destination: Path, name: str, is_same: Callable[[Path], bool], *, overwrite: bool
) -> Path:
    """Write `data` to the file `destination`, or as `name` into that folder; returns the file.

    A file that `is_same` is left alone. Raises UsageError when there is another one, or no folder for it,
    GazeError (`output.unwritable`) when writing fails.
    """
    target = destination / name if os.path.isdir(destination) else destination
    if not os.path.isdir(target.parent):
        raise UsageError("no such folder", subject=str(target.parent), hint="make it first")
    if os.path.lexists(target) and not overwrite:
        if is_same(target):
            return target
        raise UsageError("it exists already", subject=str(target), hint="add --force to replace it")
    try:
        write_whole(target, data)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in `folder`, where the platform can."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | _BINARY)
    except PermissionError:
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Whether a file of this name was on its way when its writer died."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and user-space file systems have no such call; a failing disk still counts.
        if error.errno not in _NO_SYNC:
            raise


def _apply_umask(descriptor: int) -> None:
    if sys.platform != "win32":
        with suppress(PermissionError, NotImplementedError):
            os.fchmod(descriptor, 0o666 & ~_umask())


def _umask() -> int:
    # Setting the umask to read it would, for a moment, change it for other threads.
    with (
        suppress(OSError, ValueError),
        open("/proc/self/status", encoding="ascii", errors="replace") as status,
    ):
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
