"""The lexical judge: which panel's caption do an answer's words fit? Offline, exact, the same every time.

Words are weighted by how few of the picture's captions hold them, so that what all panels share decides
nothing. In a natural picture the answer describes the thing it names first, by category or a synonym.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Verdict
from gazecli.steering.unchanged import words_of

# Below this share of common weight the evidence is thin; closer than the margin it is a tie.
FLOOR = 0.15
MARGIN = 0.02

_CONTENTLESS = frozenset(
    "a an and are as at be been being but by can could did do does for from had has have he her here "
    "his how i  if in into is it its just may might my no not of on one onto our out over panel "
    "panels picture image  comic strip scene she should show shows showing shown so some such than that "
    "the their them then there  these they this those to too under up very was we were what when where "
    "which while who will with would  you your".split()
)
_ENDINGS = ("ing", "ed", "s")


class LexicalJudge:
    """Judges offline by the truths of each example, which must be known."""

    name = "lexical"
    independent = True

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """One verdict an answer."""
        truths = example.truths or ()
        matcher = NameMatcher(truths, example.synonyms) if example.synonyms else CaptionMatcher(truths)
        return [matcher.verdict(answer) for answer in answers]


class CaptionMatcher:
    """Which caption of one picture an answer fits; `captions` has one text a panel."""

    def __init__(self, captions: Sequence[str]) -> None:
        self.captions = [content_words(caption) for caption in captions]
        found = Counter(word for caption in self.captions for word in caption)
        self.weights = {word: math.log(len(captions) / count) for word, count in found.items()}
        self.sums = [self._weigh(caption) for caption in self.captions]

    def verdict(self, answer: str) -> Verdict:
        """Forced choice among the captions; no region on thin evidence and on ties.

        The score of a caption is 2 x common weight / (weight of the answer + weight of the caption), from
        0 to 1; words that no caption holds weigh nothing.
        """
        words = content_words(answer) & self.weights.keys()
        weight = self._weigh(words)
        scores = tuple(
            2 * self._weigh(words & caption) / (weight + own) if weight + own > 0 else 0.0
            for caption, own in zip(self.captions, self.sums, strict=True)
        )
        first, *others = sorted(scores, reverse=True)
        clear = first >= FLOOR and all(first - other > MARGIN for other in others[:1])
        return Verdict(scores.index(first) + 1 if clear else None, scores)

    def _weigh(self, words: set[str]) -> float:
        # In a fixed order, or two runs could differ in the last digit.
        return math.fsum(self.weights[word] for word in sorted(words))


class NameMatcher:
    """Which thing of one natural picture an answer names; one name and its synonyms a region."""

    def __init__(self, names: Sequence[str], synonyms: Sequence[Sequence[str]]) -> None:
        self.names = [
            {_stems(each) for each in (name, *others)} - {()}
            for name, others in zip(names, synonyms, strict=True)
        ]

    def verdict(self, answer: str) -> Verdict:
        """The region whose name stands first; of names that begin together the longest: hot dog, not dog.

        No region when none is named, or two regions have the same name. Scores are 1 for those named at all.
        """
        words = _stems(answer)
        found = [_first(words, names) for names in self.names]
        scores = tuple(float(place is not None) for place in found)
        places = [place for place in found if place is not None]
        if not places:
            return Verdict(None, scores)
        best = min(places)
        return Verdict(found.index(best) + 1 if places.count(best) == 1 else None, scores)


def _first(words: tuple[str, ...], names: set[tuple[str, ...]]) -> tuple[int, int] | None:
    """Where a name begins first, and how long it is, negative so that the longest sorts first."""
    found = [
        (start, -len(name))
        for name in names
        for start in range(len(words) - len(name) + 1)
        if words[start : start + len(name)] == name
    ]
    return min(found, default=None)


def content_words(text: str) -> set[str]:
    """The stems of the words that say something."""
    return {stem(word) for word in words_of(text) if word not in _CONTENTLESS}


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in words_of(text))


def stem(word: str) -> str:
    """Forms of one English verb or noun become one: sits and sitting, hides and hiding, city and cities."""
    for ending in _ENDINGS:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and not word.endswith("ss"):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word
