"""One spelling for every JSON document, so that equal documents have equal digests.

Knows nothing of files, tensors or what the documents mean.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from gazecli.errors import CacheError


def canonical_json(document: object) -> str:
    """ASCII text with sorted keys and no spaces; ValueError or TypeError for NaN and whatever is not JSON."""
    return json.dumps(document, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def parse_json(text: str | bytes) -> Any:
    """The document in `text`; ValueError when it is not JSON, holds NaN, or is nested beyond reason."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` as a reader will get it back: lists for tuples, text keys; CacheError if it is not JSON."""
    try:
        copy = parse_json(canonical_json(document))
    except (ValueError, TypeError, RecursionError) as error:
        raise CacheError(
            f"not a JSON document ({error})",
            code="cache.invalid",
            hint="an artifact holds JSON and plain arrays only",
        ) from error
    if not isinstance(copy, dict):
        raise CacheError(
            "not a JSON object", code="cache.invalid", hint="an artifact holds JSON and plain arrays only"
        )
    return copy


def document_key(document: Mapping[str, Any]) -> str:
    """64 hex digits that name `document`, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(plain(document)).encode("ascii")).hexdigest()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
