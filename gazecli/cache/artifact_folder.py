"""The folder of artifacts: listing it, reading a file of it, setting one aside, removing one.

Only regular files directly in that folder are ever touched: no link is followed and no name is taken from
outside.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazecli.cache.artifact import DAMAGED, MISSING, Artifact, parse_file_name, read, read_label
from gazecli.cache.files import cache_errors, is_there, make_folder
from gazecli.errors import CacheError


@dataclass(frozen=True)
class Entry:
    """An artifact in the cache: size in bytes, time in seconds since 1970, and its header as `summary`.

    `summary` is empty when the header cannot be read; the tensors are not read.
    """

    digest: str
    kind: str
    path: Path
    bytes: int
    modified: float
    summary: dict[str, Any]


@dataclass(frozen=True)
class Removed:
    """A file taken out of the cache, or one that would be: `digest` is None for what is no artifact."""

    path: Path
    bytes: int
    kind: str
    digest: str | None = None


def plain_files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """The regular files directly in `folder` by name, without links; none when it is missing; CacheError."""
    if not is_there(folder):
        return []
    found = []
    with cache_errors("read", folder), os.scandir(folder) as items:
        for item in items:
            # A file may go away while others work here.
            with suppress(FileNotFoundError):
                status = item.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((folder / item.name, status))
    return sorted(found, key=lambda pair: pair[0].name)


def entries(folder: Path) -> list[Entry]:
    """All artifacts in `folder`, newest first."""
    listed = [
        Entry(digest, kind, path, status.st_size, status.st_mtime, _summary(path, digest))
        for kind, digest, path, status in artifacts(folder)
    ]
    return sorted(listed, key=lambda entry: (-entry.modified, entry.path.name))


def discard(path: Path, *, dry_run: bool = False) -> Removed | None:
    """Unlink the regular file `path`, which a listing named; None when it is no longer one; CacheError."""
    is_there(path.parent)
    with cache_errors("remove a file of", path), suppress(FileNotFoundError):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            if not dry_run:
                os.unlink(path)
            named = parse_file_name(path.name)
            kind, digest = named if named else (path.parent.name, None)
            return Removed(path, status.st_size, kind, digest)
    return None


def read_intact(
    path: Path, aside: Path, warn: Callable[[str], None], digest: str | None = None
) -> Artifact | None:
    """The artifact at `path`, or None; a damaged one is set aside with a warning. CacheError as `read`."""
    try:
        return read(path, digest)
    except CacheError as error:
        if error.code == DAMAGED:
            set_aside(path, aside, error.message, warn)
        elif error.code != MISSING:
            raise
        return None


def set_aside(path: Path, aside: Path, what: str, warn: Callable[[str], None]) -> None:
    """Move the damaged file `path`, which is `what`, into `aside`, and warn; also when it cannot be moved."""
    try:
        os.rename(path, make_folder(aside) / f"{path.name}.{secrets.token_hex(4)}")
    except FileNotFoundError:
        return
    except (OSError, CacheError):
        warn(f"{what} is ignored: {path}")
    else:
        warn(f"{what} was set aside in {aside}: {path.name}")


def artifacts(folder: Path) -> Iterator[tuple[str, str, Path, os.stat_result]]:
    """Kind and digest of what is named like an artifact, with its file."""
    for path, status in plain_files(folder):
        if named := parse_file_name(path.name):
            yield *named, path, status


def _summary(path: Path, digest: str) -> dict[str, Any]:
    try:
        label = read_label(path)
    except CacheError:
        return {}
    return label.header if label.digest == digest else {}
