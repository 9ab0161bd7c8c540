"""The cache on disk: its folders, files that are written whole or not at all, and small JSON records.

Records bear a checksum: a request's result, what was used last, a file's digest. They only spare work: one
that is missing, damaged or foreign counts as absent.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gazecli.canonical import canonical_json, is_digest, json_digest, parse_json
from gazecli.errors import CacheError, UsageError, unwritable

VARIABLE = "GAZE_CACHE_DIR"

# The folders of the cache.
ARTIFACTS = "artifacts"
PARTIAL_RESULTS = "progress"
REQUESTS = "requests"
LATEST = "latest"
MODELS = "models"
DAMAGED = "damaged"
LOCKS = "locks"
JUDGEMENTS = "judgements"
DIGESTS = "digests"
TEXTS = "texts"
VERDICTS = "verdicts"

MAX_BYTES = 64 * 1024 * 1024  # of a record

_TEMPORARY_PREFIX = ".gaze-"
_TEMPORARY_SUFFIX = ".tmp"
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
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
        if os.fstat(file.fileno()).st_size > limit or len(data := file.read(limit + 1)) > limit:
            raise NotPlain(f"it is larger than {limit} bytes")
    return data


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` at `path` in one step, in a folder that exists; OSError leaves nothing behind.

    The file is private until it is complete, then has the permissions of the user's umask. `durable`
    also waits until the disk has it.
    """
    temporary = temporary_file(path.parent)
    descriptor = os.open(temporary, _CREATE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sys.platform != "win32":
                with suppress(PermissionError, NotImplementedError):
                    os.fchmod(descriptor, 0o666 & ~_umask())
            if durable:
                _sync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_folder(path.parent)


def write_named_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` where the user's name `path` leads; OSError when that fails.

    A link is followed and kept. A pipe or a device is written to; a file is replaced in one step.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as stream:
            stream.write(data)
    else:
        write_whole(Path(os.path.realpath(path)), data, durable=durable)


def append_to(path: Path, data: bytes) -> None:
    """Add `data` to the end of the file `path` in one step, which need not exist; OSError when that fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY | _NO_LINKS, 0o666)
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until the disk has the file `path` and its name; OSError when that fails."""
    descriptor = os.open(path, os.O_RDWR | _BINARY | _NO_LINKS)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
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
        write_named_file(target, data)
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


def temporary_file(folder: Path) -> Path:
    """A file in `folder` that no other writer takes."""
    return folder / f"{_TEMPORARY_PREFIX}{secrets.token_hex(12)}{_TEMPORARY_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file of this name was on its way when its writer died."""
    return name.startswith(_TEMPORARY_PREFIX) and name.endswith(_TEMPORARY_SUFFIX)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and user-space file systems have no such call; a failing disk still counts.
        if error.errno not in _NO_SYNC:
            raise


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


def cache_root() -> Path:
    """The cache folder, which need not exist: `GAZE_CACHE_DIR`, or the platform's user cache folder."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    import platformdirs

    return Path(platformdirs.user_cache_dir("gaze"))


def make_folder(path: Path) -> Path:
    """Make `path` with all its parents and return it; CacheError when that fails or a link stands there."""
    with cache_errors("make a folder in", path):
        path.mkdir(parents=True, exist_ok=True)
    is_there(path)
    return path


def is_there(path: Path) -> bool:
    """Whether the cache's own folder `path` exists; CacheError when it is a link, a file or out of reach.

    A link would let removal reach outside the cache.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable("read", path, error) from error
    if not stat.S_ISDIR(mode):
        raise CacheError(
            "a folder of the cache is a link or a file",
            subject=str(path),
            hint=f"move it away, or set {VARIABLE} to another folder",
            code="cache.unsafe",
        )
    return True


@contextmanager
def cache_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError inside into a CacheError that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise unusable(doing, path, error) from error


def unusable(doing: str, path: Path, error: OSError) -> CacheError:
    """The CacheError for `error` while `doing` ("read", "write", …) something at `path`."""
    reason = (error.strerror or type(error).__name__).lower()
    access = "read" if doing == "read" else "read and written"
    hint, code = f"set {VARIABLE} to a folder that can be {access}", None
    if error.errno in _FULL:
        hint = f"free some space (gaze cache prune), or set {VARIABLE} to a folder with more"
        code = "cache.full"
    return CacheError(f"cannot {doing} the cache ({reason})", subject=str(path), hint=hint, code=code)


def write_record(path: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    """Put `record` at `path` in one step; OSError when that fails."""
    write_whole(path, _to_bytes(record), durable=durable)


def write_named(path: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    """Put `record` at `path`, bound to that name; OSError when that fails."""
    write_record(path, {**record, "name": path.stem}, durable=durable)


def read_named(path: Path) -> dict[str, Any] | None:
    """The record at `path`, or None; one that was made under another name does not count."""
    record = read_record(path)
    return record if record is not None and record.get("name") == path.stem else None


def read_record(path: Path) -> dict[str, Any] | None:
    """The record at `path`, or None when there is none that is whole and unchanged."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        data = read_whole(path, MAX_BYTES)
        record = parse_json(data)["record"]
        # To the byte: JSON has several spellings of one text, in which a flipped bit could hide.
        if isinstance(record, dict) and data == _to_bytes(record):
            return record
    return None


def write_pointer(path: Path, digest: str) -> None:
    """Record at `path` that what it is named after is the artifact `digest`; OSError when that fails."""
    if read_pointer(path) != digest:
        write_named(path, {"digest": digest})


def read_pointer(path: Path) -> str | None:
    """The digest recorded at `path`, or None; a record that was made under another name does not count."""
    record = read_named(path)
    return str(record["digest"]) if record is not None and is_digest(record.get("digest")) else None


def _to_bytes(record: Mapping[str, Any]) -> bytes:
    return canonical_json({"check": json_digest(record), "record": record}).encode("ascii") + b"\n"
