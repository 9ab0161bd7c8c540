"""How a narration follows its schedule: order, and how many tokens a change of the target takes to show.

Knows nothing of models or of who judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judge import LexicalJudge
from gazecli.evaluation.statistics import spearman
from gazecli.evaluation.tallies import Run
from gazecli.evaluation.trials import Said


@dataclass(frozen=True)
class Delay:
    """Tokens from a change until something followed, for those of the `switches` where it did.

    1 is the first token written after the change.
    """

    tokens: list[int]
    switches: int


@dataclass(frozen=True)
class Following:
    """natural: share of segments that describe the region whose turn it is in reading order.

    schedule_rho and natural_rho: mean rank correlation with the schedule and with the reading order. text:
    until what is written since the change is about the new target. looks: until the heads look most at it.
    """

    natural: float
    schedule_rho: float | None
    natural_rho: float | None
    text: Delay | None
    looks: Delay | None


def following(run: Run, examples: Sequence[Example]) -> Following:
    """What the trials of one narrating condition say, in order of writing; delays only where it steered."""
    places = [trial.described == place for trials in run.pictures for place, trial in enumerate(trials, 1)]
    steered = bool(run.condition.heads)
    return Following(
        natural=sum(places) / len(places),
        schedule_rho=mean_rho([[(t.described, t.target) for t in trials] for trials in run.pictures]),
        natural_rho=mean_rho(
            [[(t.described, place) for place, t in enumerate(trials, 1)] for trials in run.pictures]
        ),
        text=_text_delay(run, examples) if steered else None,
        looks=_looks_delay(run) if steered else None,
    )


def mean_rho(pictures: Sequence[Sequence[tuple[int | None, int]]]) -> float | None:
    """Mean over pictures of the rank correlation of (described, expected), judged segments only."""
    rhos = []
    for pairs in pictures:
        known = [(described, expected) for described, expected in pairs if described is not None]
        rho = spearman([described for described, _ in known], [expected for _, expected in known])
        if rho is not None:
            rhos.append(rho)
    return sum(rhos) / len(rhos) if rhos else None


def tokens_until_about(judge: LexicalJudge, said: Said) -> int | None:
    """The fewest tokens since the change that the judge, given them alone, takes for the new target's.

    What finishes the sentence about the last target stands before them, so it counts as delay.
    """
    text = ""
    for count, piece in enumerate(said.pieces, 1):
        text += piece
        if judge.verdict(text).region == said.target:
            return count
    return None


def _text_delay(run: Run, examples: Sequence[Example]) -> Delay | None:
    """None where captions are missing: this is always measured by the lexical judge."""
    found: list[int | None] = []
    for number, trials in zip(run.numbers, run.pictures, strict=True):
        truths = examples[number].truths
        if truths is None:
            return None
        judge = LexicalJudge(truths)
        # The first segment begins with the text: nothing was switched.
        found += [tokens_until_about(judge, trial.said) for trial in trials[1:]]
    return Delay([count for count in found if count is not None], len(found))


def _looks_delay(run: Run) -> Delay:
    found = [trial.said.looked for trials in run.pictures for trial in trials[1:]]
    return Delay([count for count in found if count is not None], len(found))
