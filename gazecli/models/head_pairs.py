"""Heads as callers write them: pairs, a text such as `3.4,3.5`, rows of an array, or a head set."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, runtime_checkable

from gazecli.errors import HeadSetError, UsageError

HeadPair = tuple[int, int]

_TYPED = re.compile(r"\s*\d{1,5}\.\d{1,5}\s*(,\s*\d{1,5}\.\d{1,5}\s*)*", re.ASCII)


@runtime_checkable
class HeadSource(Protocol):
    """A head set: it knows its best heads, and the model they belong to."""

    def top(self) -> Sequence[HeadPair]:
        """The heads it suggests."""

    def check_model(self, digest: str, name: str) -> None:
        """Raise HeadSetError for another model."""


# A text is `3.4,3.5`, layer.head from 0; so is each text of several. One pair alone is one head. Other texts
# and paths name head sets, which the functions of `gazecli.steering` look up.
Heads = str | Path | HeadPair | Iterable[HeadPair | str | Sequence[SupportsIndex]] | HeadSource


def parse_heads(text: str) -> list[HeadPair] | None:
    """The heads of a list typed by hand, `3.4,3.5,12.0` (layer.head, from 0); None for anything else.

    The dot tells a list from a digest, whose prefixes are hexadecimal. Raises UsageError for a head that is
    there twice.
    """
    if not _TYPED.fullmatch(text) or os.path.exists(text):
        return None
    layers_heads = (pair.split(".") for pair in text.split(","))
    heads = [(int(layer), int(head)) for layer, head in layers_heads]
    twice = next((head for place, head in enumerate(heads) if head in heads[:place]), None)
    if twice is not None:
        raise UsageError(
            f"layer {twice[0]} head {twice[1]} is there twice", subject=text, hint="name each head once"
        )
    return heads


def head_pairs(heads: Heads) -> list[HeadPair]:
    """Heads as pairs of plain numbers, each once, in their order; a head set gives those it suggests.

    Raises UsageError for none, HeadSetError for what are no heads.
    """
    if isinstance(heads, HeadSource):
        heads = heads.top()
    pairs = _typed(str(heads)) if isinstance(heads, str | Path) else _listed(heads)
    if not pairs:
        raise UsageError("no heads are named", hint="choose at least one")
    return list(dict.fromkeys(pairs))


def _typed(text: str) -> list[HeadPair]:
    heads = parse_heads(text) if text.strip() else []
    if heads is None:
        raise HeadSetError(
            "heads as text are written layer.head",
            subject=text[:80],
            hint='for instance "3.4,3.5". A head set is looked up by find_headset in '
            "gazecli.heads.headset_store",
            code="headset.head",
        )
    return heads


def _listed(heads: Iterable[Any]) -> list[HeadPair]:
    try:
        listed = list(_plain(heads))
        with suppress(TypeError, ValueError):
            return [_pair(listed)]
        return [pair for one in listed for pair in (_typed(one) if isinstance(one, str) else [_pair(one)])]
    except (TypeError, ValueError):
        raise HeadSetError(
            "heads are pairs (layer, head) of whole numbers, or a head set",
            subject=str(heads)[:80],
            hint='for instance headset.top(5), [(3, 4), (3, 5)] or "3.4,3.5"',
            code="headset.head",
        ) from None


def _pair(one: Any) -> HeadPair:
    layer, head = (_whole(number) for number in _plain(one))
    return layer, head


def _whole(number: Any) -> int:
    """A whole number of any library; TypeError for truth values, of which masks are made, and the rest."""
    plain = _plain(number)
    if isinstance(plain, bool):
        raise TypeError(number)
    return operator.index(plain)


def _plain(given: Any) -> Any:
    """What numpy and torch hold, as numbers and lists."""
    return given.tolist() if hasattr(given, "tolist") else given
