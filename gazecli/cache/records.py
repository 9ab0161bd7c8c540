"""Small JSON files with a checksum: what was asked for, what was used last, what a file's digest was.

They only spare work: one that is missing, damaged or foreign is simply not there. Knows nothing of what
an artifact holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazecli.cache.artifacts import is_digest
from gazecli.cache.canonical import canonical_json, parse_json
from gazecli.cache.files import read_whole, write_whole

MAX_BYTES = 64 * 1024 * 1024


def write_record(path: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    """Put `record` at `path` in one step; OSError when that fails."""
    text = canonical_json({"check": _check(record), "record": record})
    write_whole(path, text.encode("ascii") + b"\n", durable=durable)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record at `path`, or None when there is none that is whole and unchanged."""
    try:
        data = read_whole(path, MAX_BYTES)
    except OSError:
        return None
    try:
        stored = parse_json(data)
        record = stored["record"]
        if isinstance(record, dict) and stored["check"] == _check(record):
            return record
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return None


def write_pointer(path: Path, digest: str) -> None:
    """Note at `path` that what it is named after is the artifact `digest`; OSError when that fails."""
    if read_pointer(path) != digest:
        write_record(path, {"name": path.stem, "digest": digest})


def read_pointer(path: Path) -> str | None:
    """The digest noted at `path`, or None; a note that was made under another name does not count."""
    record = read_record(path)
    if record is None or record.get("name") != path.stem or not is_digest(record.get("digest")):
        return None
    return str(record["digest"])


def _check(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(record).encode("ascii")).hexdigest()
