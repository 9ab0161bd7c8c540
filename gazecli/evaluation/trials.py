"""One answer, what became of it, and under which choice of heads it was written.

Knows nothing of models or of how answers came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.judges.lexical import is_junk, is_unchanged

Fate = Literal["judged", "abstained", "junk", "unchanged", "unjudged"]


@dataclass(frozen=True)
class Said:
    """One answer: the region it was to describe, its text, and the `unsteered` text to set it beside, if any.

    pieces: the text token by token, where it is a segment of a narration. looked: how many tokens after the
    segment's begin the heads first looked most at its region, None where they never did or none was steered.
    """

    target: int
    text: str
    unsteered: str | None = None
    pieces: tuple[str, ...] = ()
    looked: int | None = None


@dataclass(frozen=True)
class Trial:
    """An answer, the region it does describe if any, and what became of it."""

    said: Said
    described: int | None
    fate: Fate

    @property
    def target(self) -> int:
        """The region it was to describe."""
        return self.said.target

    @property
    def text(self) -> str:
        """What was said."""
        return self.said.text

    @property
    def hit(self) -> bool:
        """Whether the answer describes its target."""
        return self.described == self.target


def judged(judge: Judge | None, example: Example, answers: Sequence[Said]) -> list[Trial]:
    """Judge the answers about one picture; nobody is asked about junk and about what is almost unsteered.

    Without a judge the answers stay unjudged.
    """
    if judge is None:
        return [Trial(said, None, "unjudged") for said in answers]
    fates = [_fate(said) for said in answers]
    asked = [said.text for said, fate in zip(answers, fates, strict=True) if fate is None]
    verdicts = iter(judge.verdicts(example, asked) if asked else ())
    trials = []
    for said, fate in zip(answers, fates, strict=True):
        described = next(verdicts).region if fate is None else None
        trials.append(Trial(said, described, fate or ("abstained" if described is None else "judged")))
    return trials


def _fate(said: Said) -> Fate | None:
    """What needs no judge."""
    if is_junk(said.text):
        return "junk"
    if said.unsteered is not None and is_unchanged(said.text, said.unsteered):
        return "unchanged"
    return None
