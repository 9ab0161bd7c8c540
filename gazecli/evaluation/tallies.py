"""Trials are counted: one condition over all pictures, and over the targets of one kind.

Knows nothing of models or of who judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.errors import ComicsError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.statistics import bootstrap_interval
from gazecli.evaluation.trials import Condition, Trial


@dataclass(frozen=True)
class Run:
    """One condition with the trials of each picture of `numbers`."""

    condition: Condition
    numbers: list[int]
    pictures: list[list[Trial]]


@dataclass(frozen=True)
class Tally:
    """One condition over all pictures; every count is of answers.

    per_region: accuracy for each region number, empty where numbers mean nothing.
    """

    condition: Condition
    accuracy: float
    ci95: tuple[float, float]
    per_region: list[float | None]
    abstained: int
    junk: int
    unchanged: int
    n: int


@dataclass(frozen=True)
class Group:
    """The targets of one size class or category: how many, and the share of hits of each condition's name."""

    by: str
    name: str
    n: int
    shares: dict[str, float]


def tally(condition: Condition, pictures: Sequence[Sequence[Trial]], panels: int | None, seed: int) -> Tally:
    """Count the trials of each picture; `seed` resamples. `panels`: regions a picture, None where it varies.

    Pictures without a trial do not count; ComicsError when none has any.
    """
    answered = [trials for trials in pictures if trials]
    if not answered:
        raise ComicsError("no answer could be judged", hint="raise --max-new-tokens")
    hits = [sum(trial.hit for trial in trials) for trials in answered]
    every = [trial for trials in answered for trial in trials]
    return Tally(
        condition=condition,
        accuracy=sum(hits) / len(every),
        ci95=bootstrap_interval(hits, [len(trials) for trials in answered], seed=seed),
        per_region=[_share_of(every, region) for region in range(1, (panels or 0) + 1)],
        abstained=sum(trial.fate == "abstained" for trial in every),
        junk=sum(trial.fate == "junk" for trial in every),
        unchanged=sum(trial.fate == "unchanged" for trial in every),
        n=len(every),
    )


def groups_of(examples: Sequence[Example], runs: Sequence[Run]) -> list[Group]:
    """Size classes, then categories by name; none where the examples have neither.

    Controls are taken together, so that their share is the mean over the draws.
    """
    kinds: dict[tuple[str, str], dict[str, list[bool]]] = {}
    for run in runs:
        for number, trials in zip(run.numbers, run.pictures, strict=True):
            for trial in trials:
                for kind in _kinds(examples[number], trial.target):
                    kinds.setdefault(kind, {}).setdefault(run.condition.name, []).append(trial.hit)
    order = {"small": 0, "medium": 1, "large": 2}
    ordered = sorted(kinds, key=lambda kind: (kind[0] != "size", order.get(kind[1], 3), kind[1]))
    return [
        Group(by, name, len(found["gaze"]), {each: sum(hits) / len(hits) for each, hits in found.items()})
        for by, name in ordered
        if "gaze" in (found := kinds[by, name])
    ]


def _kinds(example: Example, target: int) -> list[tuple[str, str]]:
    found = [("size", example.sizes[target - 1])] if example.sizes else []
    if example.synonyms and example.truths:
        found.append(("category", example.truths[target - 1]))
    return found


def share_of_hits(pictures: Sequence[Sequence[Trial]]) -> float:
    """Share of trials that hit."""
    hits = [trial.hit for trials in pictures for trial in trials]
    return sum(hits) / len(hits) if hits else 0.0


def _share_of(trials: Sequence[Trial], region: int) -> float | None:
    mine = [trial.hit for trial in trials if trial.target == region]
    return sum(mine) / len(mine) if mine else None
