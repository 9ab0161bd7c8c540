"""How many heads to steer: accuracy over K on one half of the pictures, the choice tested on the other.

Knows nothing of the command line or of documents.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gazecli.cache.store import Cache
from gazecli.errors import UsageError
from gazecli.evaluation.conditions import Condition, has_controls
from gazecli.evaluation.metrics import Tally, tally
from gazecli.evaluation.tasks.task import Advance, Task
from gazecli.heads.headset import Head, HeadSet

_LADDER = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000)
# The paper's best K lie between 2 % and 12 % of all heads, and too many break generation.
_LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class Rung:
    """Accuracy with the best `k` heads, and with one draw of as many others (None where too few are left).

    The intervals are of 95 %, over pictures.
    """

    k: int
    gaze: float
    control: float | None
    gaze_ci95: tuple[float, float] | None = None
    control_ci95: tuple[float, float] | None = None


@dataclass(frozen=True)
class Halves:
    """Numbers of the pictures on which K is chosen, and of those on which the choice is tested."""

    choosing: list[int]
    held_out: list[int]


def halves(pictures: int, seed: int) -> Halves:
    """Split the pictures at random; with an odd number the held-out half is the larger.

    UsageError for fewer than two.
    """
    if pictures < 2:
        raise UsageError(
            "--sweep needs at least two strips with captions: one to choose on, one to test on",
            subject=str(pictures),
            hint="give more comics, or leave --sweep out",
        )
    order = random.Random(seed).sample(range(pictures), pictures)
    middle = pictures // 2
    return Halves(sorted(order[:middle]), sorted(order[middle:]))


def candidates(headset: HeadSet) -> list[int]:
    """The numbers of heads that are tried, rising: up to a quarter of all heads, and the suggested one."""
    layers, heads = headset.matrices.shape[:2]
    largest = max(1, int(_LARGEST_SHARE * layers * heads))
    return sorted({k for k in _LADDER if k < largest} | {largest, headset.resolve_top("auto")})


def climb(
    task: Task, headset: HeadSet, score: str, numbers: Sequence[int], seed: int, advance: Advance
) -> list[Rung]:
    """Accuracy for every candidate K on the pictures `numbers`; `advance` is called after each picture.

    `seed` resamples.
    """

    def counted(heads: list[Head]) -> Tally:
        return tally(Condition("gaze", heads), task.trials(numbers, heads, advance), None, seed)

    rungs = []
    for k in candidates(headset):
        gaze, control = counted(headset.top(k, score)), None
        if has_controls(headset, k):
            control = counted(headset.controls(k, seed=0, score=score))
        rungs.append(
            Rung(
                k,
                gaze.accuracy,
                control.accuracy if control else None,
                gaze.ci95,
                control.ci95 if control else None,
            )
        )
    return rungs


def passes(headset: HeadSet) -> int:
    """How many conditions `climb` runs over its pictures."""
    return sum(1 + has_controls(headset, k) for k in candidates(headset))


def best_of(rungs: Sequence[Rung]) -> Rung:
    """The rung with the highest accuracy; of equals the one with the fewest heads."""
    return max(rungs, key=lambda rung: (rung.gaze, -rung.k))


def with_suggestion(headset: HeadSet, suggested: Mapping[str, Any], cache: Cache) -> HeadSet:
    """The same head set with another suggestion, kept in the cache under its own digest."""
    changed = replace(headset, header={**headset.header, "suggested": dict(suggested)})
    digest, path = cache.put(changed.to_artifact())
    return replace(changed, digest=digest, path=path)
