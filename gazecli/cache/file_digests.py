"""The SHA-256 of files, remembered as long as the file system shows no change.

One note a folder batch: reading one note and asking for 500 files' sizes and times takes a few milliseconds.
Two processes that write the same note lose at most what the other remembered.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gazecli.cache.files import DIGESTS, make_folder, read_named, write_named
from gazecli.errors import CacheError

# Within a tick of the file system's clock, two versions of a file can have the same times.
SETTLED_SECONDS = 2.0

_CHUNK = 1 << 20
_MAX_REMEMBERED = 200_000


def file_digest(path: str | Path, root: Path | None) -> str:
    """64 hex digits of the file's SHA-256, remembered under the cache folder `root`; OSError."""
    return file_digests([path], root)[0]


def file_digests(paths: Sequence[str | Path], root: Path | None) -> list[str]:
    """`file_digest` of each of `paths`, in their order, remembered together under their common folder.

    A file counts as unchanged while its device, inode, size and both its times are. One changed less than
    two seconds ago is not remembered. A cache that cannot be written only costs the next call its time.
    """
    absolute = [os.path.abspath(path) for path in paths]
    if not absolute:
        return []
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()
    note = root / DIGESTS / f"{key}.json" if root is not None else None
    remembered = _load(note)
    fresh: dict[str, list[str]] = {}
    digests = []
    for path in absolute:
        name = os.path.relpath(path, folder)
        identity = _identity(os.stat(path))
        known = remembered.get(name)
        if known is None or known[0] != identity:
            digest, settled = _measure(path)
            known = [settled or "", digest]
            if settled:
                fresh[name] = known
        digests.append(known[1])
    if note is not None and fresh:
        _save(note, folder, fresh)
    return digests


def _load(note: Path | None) -> dict[str, list[str]]:
    record = read_named(note) if note is not None else None
    files = (record or {}).get("files")
    return files if isinstance(files, dict) else {}


def _save(note: Path, folder: str, fresh: dict[str, list[str]]) -> None:
    # Read again: another process may have remembered other files while this one was reading.
    others = _load(note).items()
    files = {name: known for name, known in others if os.path.exists(os.path.join(folder, name))} | fresh
    if len(files) > _MAX_REMEMBERED:
        files = fresh
    with suppress(CacheError, OSError):
        make_folder(note.parent)
        write_named(note, {"files": files}, durable=False)


def _measure(path: str) -> tuple[str, str | None]:
    """(digest, identity of what was read, or None when it is too young or changed meanwhile)."""
    started = time.time()
    running = hashlib.sha256()
    with open(path, "rb") as file:
        before = os.fstat(file.fileno())
        while chunk := file.read(_CHUNK):
            running.update(chunk)
        after = os.fstat(file.fileno())
    young = max(before.st_mtime, before.st_ctime) > started - SETTLED_SECONDS
    changed = _identity(before) != _identity(after)
    return running.hexdigest(), None if young or changed else _identity(before)


def _identity(status: os.stat_result) -> str:
    # The time of the last change of anything (ctime) cannot be set back, as the file's own time can.
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ":".join(str(part) for part in parts)
