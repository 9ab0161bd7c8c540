"""Records by key in one file that only grows: each is appended as it is made, so that a kill loses nothing.

A line is a record with its key and a checksum. Any number of processes may append to one file at once; what
is cut short or damaged counts as absent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gazecli.cache.files import (
    NotPlain,
    append_to,
    make_folder,
    read_whole,
    sync_file,
)
from gazecli.canonical import canonical_json, json_digest, parse_json
from gazecli.errors import CacheError

_MAX_BYTES = 1 << 30
# A killed process loses nothing that it appended; only where the machine stops is less kept than that.
SYNC_EVERY_SECONDS = 5.0


class Journal:
    """The records of one request: `get` and `put` them by key, `close` at the end.

    It only spares work: what cannot be read counts as absent, and a file that cannot be written is warned of
    once. Records that other processes append are seen by those who open the journal later.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._known: dict[str, Any] | None = None
        self._failed = False
        self._synced_at = time.monotonic()
        self._unsynced = False

    def get(self, key: str) -> Any:
        """The newest record under `key`, or None."""
        if self._known is None:
            self._known = {}
            for known, record in _records(self._path):
                if known is None:
                    self._warn(f"a damaged record is ignored: {self._path}")
                else:
                    self._known[known] = record
        return self._known.get(key)

    def put(self, key: str, record: Any) -> None:
        """Append `record`, a JSON document."""
        if self._known is not None:
            self._known[key] = record
        # The newline in front ends what a killed process may have left half written.
        line = b"\n" + canonical_json({"check": _check(key, record), "key": key, "record": record}).encode()
        try:
            make_folder(self._path.parent)
            append_to(self._path, line + b"\n")
            self._unsynced = True
            if time.monotonic() - self._synced_at > SYNC_EVERY_SECONDS:
                self.close()
        except (CacheError, OSError) as error:
            if not self._failed:
                self._warn(f"what was written is not kept: {error}")
            self._failed = True

    def close(self) -> None:
        """Wait until the disk has everything."""
        if self._unsynced:
            with suppress(OSError):
                sync_file(self._path)
            self._unsynced, self._synced_at = False, time.monotonic()

    def clear(self) -> None:
        """Forget everything, here and on the disk."""
        self._known = {}
        with suppress(OSError):
            os.unlink(self._path)


def is_damaged(path: Path) -> bool:
    """Whether a record of the journal at `path` is not what was written; one cut short is no damage."""
    return any(key is None for key, _ in _records(path))


def _records(path: Path) -> Iterator[tuple[str | None, Any]]:
    """Keys and records in the order of writing; None for a damaged one."""
    try:
        lines = read_whole(path, _MAX_BYTES).split(b"\n")
    except FileNotFoundError:
        return
    except (OSError, NotPlain):
        yield None, None
        return
    for line in lines:
        if not line:
            continue
        try:
            document = parse_json(line)
        except ValueError:
            continue
        try:
            key, record = str(document["key"]), document["record"]
            yield (key if document["check"] == _check(key, record) else None), record
        except (KeyError, TypeError):
            yield None, None


def _check(key: str, record: Any) -> str:
    return json_digest([key, record])
