"""JSON: one spelling, so that equal documents have equal digests, and one bounded way to read it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from gazecli.errors import CacheError, GazeError

ALGORITHM = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def canonical_json(document: object) -> str:
    """ASCII text with sorted keys and no spaces; ValueError or TypeError for NaN and whatever is not JSON."""
    return json.dumps(document, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def json_digest(document: object) -> str:
    """The SHA-256 of the canonical text, 64 hex digits."""
    return hashlib.sha256(canonical_json(document).encode("ascii")).hexdigest()


def document_key(document: Mapping[str, Any]) -> str:
    """64 hex digits that name `document`, whatever the order of its keys."""
    return json_digest(plain(document))


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` as a reader will get it back: lists for tuples, text keys; CacheError if it is not JSON."""
    try:
        copy = parse_json(canonical_json(document))
        if not isinstance(copy, dict):
            raise TypeError("it is not an object")
    except (ValueError, TypeError, RecursionError) as error:
        raise CacheError(
            f"not a JSON document ({error})",
            code="cache.invalid",
            hint="an artifact can hold only JSON and plain arrays",
        ) from error
    return copy


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """The document in `text`; bytes are UTF-8, with or without a byte order mark.

    Raises ValueError when it is not JSON or nested too deeply, and unless `finite` is False for NaN.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse if finite else None)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(
    path: Path, limit: int, what: str, error: type[GazeError], hint: str, code: str | None = None
) -> Any:
    """The JSON document in a file of at most `limit` bytes; what is not finite is left to the caller.

    Raises `error` about `what`, which says why it cannot be read.
    """
    data = read_bytes(path, limit, what, error, hint, code)
    try:
        return parse_json(data, finite=False)
    except ValueError as failure:
        raise error(
            f"{what} is not JSON ({str(failure)[:100]})", subject=str(path), hint=hint, code=code
        ) from failure


def read_bytes(
    path: Path, limit: int, what: str, error: type[GazeError], hint: str, code: str | None = None
) -> bytes:
    """The bytes of a file or pipe of at most `limit` bytes. Raises `error` as `read_json`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as failure:  # ValueError: a zero byte in the path
        reason = (getattr(failure, "strerror", None) or str(failure)).lower()
        raise error(f"{what} cannot be read ({reason})", subject=str(path), hint=hint, code=code) from failure
    if len(data) > limit:
        raise error(f"{what} is larger than {limit} bytes", subject=str(path), hint=hint, code=code)
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def is_digest(text: object) -> bool:
    """Whether `text` is a whole digest, in its one spelling."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
