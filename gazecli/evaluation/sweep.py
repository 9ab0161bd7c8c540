"""How many heads to steer and by which score, or how strongly: chosen on one half of the pictures.

The choice is tested on the other half. Of all that steer as well as the best, within one standard error, it
is the gentlest: the fewest heads, or the weakest strength.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gazecli.errors import UsageError
from gazecli.evaluation.conditions import Choice, Condition, has_controls
from gazecli.evaluation.metrics import ConditionMetrics, condition_metrics, standard_error
from gazecli.evaluation.trials import Trial
from gazecli.heads.headset import Head, HeadSet

if TYPE_CHECKING:
    from gazecli.evaluation.tasks.task import Advance, Task

SweepName = Literal["heads", "strength"]

_HEAD_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000)
# The paper's best K lie between 2 % and 12 % of all heads, and too many break generation.
_LARGEST_SHARE = 0.25
STRENGTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 10000.0)


@dataclass(frozen=True)
class SweepPoint:
    """Accuracy with the best `k` heads by `score`, and with one draw of as many others.

    strength: None where it was not swept. control: None where too few heads are left. The intervals are of
    95 %, over pictures; error is the standard error of `gaze`. junk, repetition and words say how the texts
    under the gaze heads read, as in `ConditionMetrics`.
    """

    k: int
    gaze: float
    control: float | None
    gaze_ci95: tuple[float, float] | None = None
    control_ci95: tuple[float, float] | None = None
    score: str | None = None
    strength: float | None = None
    error: float = 0.0
    junk: float = 0.0
    repetition: float = 0.0
    words: float = 0.0


def halves(pictures: int, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the pictures on which is chosen, and of the held-out ones on which the choice is tested.

    Split at random; of an odd number one more is held out. UsageError for fewer than two.
    """
    if pictures < 2:
        raise UsageError(
            "--sweep needs at least two strips with captions: one to choose on, one to test on",
            subject=str(pictures),
            hint="give more comics, or leave --sweep out",
        )
    order = random.Random(seed).sample(range(pictures), pictures)
    middle = pictures // 2
    return sorted(order[:middle]), sorted(order[middle:])


def head_counts(headset: HeadSet) -> list[int]:
    """Every K that is tried, rising: up to a quarter of all heads, and the suggested one."""
    layers, heads = headset.matrices.shape[:2]
    largest = max(1, int(_LARGEST_SHARE * layers * heads))
    return sorted({k for k in _HEAD_COUNTS if k < largest} | {largest, headset.resolve_top("auto")})


@dataclass(frozen=True)
class _Step:
    """What is steered in one step of a sweep."""

    k: int
    score: str
    strength: float | None
    gaze: Choice
    control: Choice | None


def sweep(
    task: Task,
    headset: HeadSet,
    steps: Sequence[tuple[int, str, float | None]],
    numbers: Sequence[int],
    seed: int,
    advance: Advance,
) -> list[SweepPoint]:
    """A point for each (K, score, strength) of `steps`, on the pictures `numbers`, resampled by `seed`.

    All steps of a picture are computed together; `advance` is called as `Task.trials` does.
    """
    planned = [_step(headset, *step) for step in steps]
    choices = [choice for step in planned for choice in (step.gaze, step.control) if choice is not None]
    found = dict(zip(choices, task.trials(numbers, choices, advance), strict=True))
    return [
        _point(step, found[step.gaze], found[step.control] if step.control else None, seed)
        for step in planned
    ]


def head_steps(headset: HeadSet, scores: Sequence[str]) -> list[tuple[int, str, float | None]]:
    """Every number of heads by every score."""
    return [(k, score, None) for score in scores for k in head_counts(headset)]


def strength_steps(top: int, score: str) -> list[tuple[int, str, float | None]]:
    """The same heads at every strength."""
    return [(top, score, strength) for strength in STRENGTHS]


def gentlest(points: Sequence[SweepPoint]) -> SweepPoint:
    """Of the points within one standard error of the best, the one of the best's score that does least."""
    best = max(points, key=lambda point: (point.gaze, -point.k, -(point.strength or 0.0)))
    as_good = [
        point for point in points if point.score == best.score and point.gaze >= best.gaze - best.error
    ]
    return min(as_good, key=lambda point: (point.strength or 0.0, point.k))


def _step(headset: HeadSet, k: int, score: str, strength: float | None) -> _Step:
    def choice(heads: Sequence[Head]) -> Choice:
        return Choice(tuple(heads), strength)

    others = headset.controls(k, seed=0, score=score) if has_controls(headset, k) else None
    return _Step(k, score, strength, choice(headset.top(k, score)), choice(others) if others else None)


def _point(
    step: _Step, gaze: Sequence[Sequence[Trial]], control: Sequence[Sequence[Trial]] | None, seed: int
) -> SweepPoint:
    def metrics_of(trials: Sequence[Sequence[Trial]]) -> ConditionMetrics:
        return condition_metrics(Condition("gaze", list(step.gaze.heads)), trials, None, seed)

    own, others = metrics_of(gaze), metrics_of(control) if control is not None else None
    return SweepPoint(
        step.k,
        own.accuracy,
        others.accuracy if others else None,
        own.ci95,
        others.ci95 if others else None,
        step.score,
        step.strength,
        standard_error(gaze),
        own.junk / own.n,
        own.repetition,
        own.words,
    )
