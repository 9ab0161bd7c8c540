"""Whether a steered text says what the unsteered one says already, by the words that both have."""

from __future__ import annotations

import re

UNCHANGED = 0.85

_IDEOGRAMS = "\u3040-\u30ff\u3400-\u9fff"  # written without spaces: each is a word
_WORD = re.compile(f"[{_IDEOGRAMS}]|[^\\W_{_IDEOGRAMS}]+")


def is_unchanged(answer: str, unsteered: str) -> bool:
    """Whether two texts have nearly the same words: Jaccard index of at least 0.85."""
    return jaccard(answer, unsteered) >= UNCHANGED


def jaccard(one: str, other: str) -> float:
    """Common words as a share of all words of two texts; 1 when neither has any."""
    first, second = set(words_of(one)), set(words_of(other))
    return len(first & second) / len(first | second) if first | second else 1.0


def words_of(text: str) -> list[str]:
    """All words, lower case, in order."""
    return _WORD.findall(text.casefold())
