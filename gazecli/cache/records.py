"""Small JSON files with a checksum: a request's result, what was used last, a file's digest.

They only spare work: one that is missing, damaged or foreign is simply not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazecli.cache.artifact import is_digest
from gazecli.cache.files import read_whole, write_whole
from gazecli.canonical import canonical_json, json_digest, parse_json

MAX_BYTES = 64 * 1024 * 1024


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
    try:
        data = read_whole(path, MAX_BYTES)
    except OSError:
        return None
    try:
        record = parse_json(data)["record"]
        # To the byte: JSON has several spellings of one text, in which a flipped bit could hide.
        if isinstance(record, dict) and data == _to_bytes(record):
            return record
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
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
