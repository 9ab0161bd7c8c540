"""Which characters each written token stands for, and which tokens a span of the text is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.errors import SpanError, UsageError


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `end` (not included) of a text; `occurrences`: how often it holds these words."""

    wanted: str
    start: int
    end: int
    text: str
    occurrences: int


def check_spans(spans: Sequence[str]) -> None:
    """UsageError for a span without a word."""
    for span in spans:
        if not span.strip():
            raise UsageError("--span is empty", hint='name words of the text: --span "red cat"')


def find_span(pieces: Sequence[str], wanted: str) -> Span:
    """The tokens that wrote the first occurrence of `wanted`; case and the kind of white space do not count.

    Whole words go before parts of words. Raises SpanError, showing the text, when it does not occur.
    """
    text = "".join(pieces)
    pattern = r"\s+".join(re.escape(word) for word in wanted.split())
    found = list(re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE))
    found = found or list(re.finditer(pattern, text, re.IGNORECASE))
    if not found:
        raise SpanError(
            "the model did not write these words", subject=wanted, hint=f"the text is: {text.strip()}"
        )
    covering = [
        token
        for token, (start, end) in enumerate(_extents(pieces))
        if start < found[0].end() and end > found[0].start()
    ]
    start, end = covering[0], covering[-1] + 1
    return Span(wanted, start, end, "".join(pieces[start:end]).strip(), len(found))


def _extents(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """First and last character of each token; one that adds nothing belongs to what comes next."""
    ends, place = [], 0
    for piece in pieces:
        place += len(piece)
        ends.append(place)
    starts = [0, *ends[:-1]]
    for token in range(len(pieces) - 2, -1, -1):
        if not pieces[token]:
            ends[token] = ends[token + 1]
    return list(zip(starts, ends, strict=True))
