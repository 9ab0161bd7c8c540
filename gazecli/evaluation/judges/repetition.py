"""Texts that go round in circles: junk, where nothing is said, or a sentence said again and again.

A model that has to go on writing after it has answered repeats itself. What it repeats is its answer, and is
judged; only texts that are loops of a word or two are junk.
"""

from __future__ import annotations

from itertools import groupby

from gazecli.steering.unchanged import words_of

_SHORTEST_LOOP, _DISTINCT, _IN_A_ROW = 8, 0.3, 4
_FEWEST, _MOST = 3, 60  # different words, and words, of what counts as a sentence


def is_junk(text: str) -> bool:
    """Whether a text has no word, or goes round in circles without saying a sentence."""
    words = _once(words_of(text))
    if not words:
        return True
    longest = max(len(list(same)) for _, same in groupby(words))
    loops = len(words) >= _SHORTEST_LOOP and len(set(words)) < _DISTINCT * len(words)
    return loops or longest >= _IN_A_ROW


def repeats_itself(text: str) -> bool:
    """Whether a sentence follows itself; the end may cut the repetition short."""
    words = words_of(text)
    return len(_once(words)) < len(words)


def repeated_trigrams(text: str) -> float:
    """The share of a text's trigrams of words that stood in it before; 0 for a text of fewer than three."""
    words = words_of(text)
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def _once(words: list[str]) -> list[str]:
    """The words without the repetitions of a sentence that directly follow it."""
    kept: list[str] = []
    place = 0
    while place < len(words):
        kept.append(words[place])
        place += 1
        length = _just_said_again(kept, words, place)
        while length and words[place : place + length] == kept[-length:]:
            place += length
    return kept


def _just_said_again(kept: list[str], words: list[str], place: int) -> int:
    """How many of the last kept words, a sentence, come again at `place`; 0 for none."""
    for length in range(_FEWEST, min(len(kept), len(words) - place, _MOST) + 1):
        sentence = kept[-length:]
        if sentence == words[place : place + length] and len(set(sentence)) >= _FEWEST:
            return length
    return 0
