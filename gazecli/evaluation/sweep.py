"""How many heads to steer: accuracy over K on one half of the pictures, the best K tested on the other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.errors import UsageError
from gazecli.evaluation.conditions import Condition, has_controls
from gazecli.evaluation.metrics import condition_metrics
from gazecli.evaluation.tasks.task import Advance, Task
from gazecli.heads.headset import Head, HeadSet

_HEAD_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000)
# The paper's best K lie between 2 % and 12 % of all heads, and too many break generation.
_LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class SweepPoint:
    """Accuracy with the best `k` heads, and with one draw of as many others (None where too few are left).

    The intervals are of 95 %, over pictures.
    """

    k: int
    gaze: float
    control: float | None
    gaze_ci95: tuple[float, float] | None = None
    control_ci95: tuple[float, float] | None = None


def halves(pictures: int, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the pictures on which K is chosen, and of the held-out ones on which the choice is tested.

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


def sweep_heads(
    task: Task, headset: HeadSet, score: str, numbers: Sequence[int], seed: int, advance: Advance
) -> list[SweepPoint]:
    """Accuracy for every K on the pictures `numbers`, resampled by `seed`; `advance` is called after each."""

    def measure(heads: list[Head]) -> tuple[float, tuple[float, float]]:
        trials = task.trials(numbers, heads, advance)
        metrics = condition_metrics(Condition("gaze", heads), trials, None, seed)
        return metrics.accuracy, metrics.ci95

    points = []
    for k in head_counts(headset):
        gaze, gaze_ci95 = measure(headset.top(k, score))
        control, control_ci95 = None, None
        if has_controls(headset, k):
            control, control_ci95 = measure(headset.controls(k, seed=0, score=score))
        points.append(SweepPoint(k, gaze, control, gaze_ci95, control_ci95))
    return points


def condition_count(headset: HeadSet) -> int:
    """How many conditions `sweep_heads` runs over its pictures."""
    return sum(1 + has_controls(headset, k) for k in head_counts(headset))


def best_of(points: Sequence[SweepPoint]) -> SweepPoint:
    """The point with the highest accuracy; of equals the one with the fewest heads."""
    return max(points, key=lambda point: (point.gaze, -point.k))
