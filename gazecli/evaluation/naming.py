"""The judge of natural pictures: which of the picture's things does an answer name first?

A thing is named by its category or a synonym, singular or plural. Knows nothing of models or pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

from gazecli.evaluation.judge import Verdict, stem, words_of


class NamingJudge:
    """A judge for one picture whose regions show things called `names`, or by any of their `synonyms`."""

    def __init__(self, names: Sequence[str], synonyms: Sequence[Sequence[str]]) -> None:
        self.names = [
            {_stems(each) for each in (name, *others)} - {()}
            for name, others in zip(names, synonyms, strict=True)
        ]

    def verdict(self, answer: str) -> Verdict:
        """The region whose name stands first; of names that begin together the longest: hot dog, not dog.

        No region when none is named, or two regions have the same name. Scores are 1 for those named at all.
        """
        said = _stems(answer)
        found = [_first(said, names) for names in self.names]
        scores = tuple(float(place is not None) for place in found)
        places = [place for place in found if place is not None]
        if not places:
            return Verdict(None, scores)
        best = min(places)
        return Verdict(found.index(best) + 1 if places.count(best) == 1 else None, scores)


def _first(said: Sequence[str], names: set[tuple[str, ...]]) -> tuple[int, int] | None:
    """Where a name begins first, and how long it is, negative so that the longest sorts first."""
    found = [
        (start, -len(name))
        for name in names
        for start in range(len(said) - len(name) + 1)
        if tuple(said[start : start + len(name)]) == name
    ]
    return min(found, default=None)


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in words_of(text))
