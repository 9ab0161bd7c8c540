"""By which of two scores to rank the heads: whichever steers better, tried on some of the pictures.

Which one it is depends on the model: of Qwen2-VL-7B the same number of heads steers 0.233 by raw score and
0.650 by selectivity (arXiv 2609.14174).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.sweep import halves
from gazecli.evaluation.trials import Trial
from gazecli.heads.headset import HeadSet
from gazecli.heads.scores import Float64

if TYPE_CHECKING:
    from gazecli.evaluation.tasks.task import Advance, Task

SCORES = ("raw", "selectivity")
# Halves of one set of strips share 91 to 94 of their 100 best heads (arXiv 2609.14174): what shares as many
# is no other choice of heads.
_SHARED = 0.9
FEWEST, MOST = 10, 100  # pictures


@dataclass(frozen=True)
class ScoreTried:
    """Accuracy with the best heads by `score`, on all pictures that were tried and on either half of them."""

    score: str
    accuracy: float
    halves: tuple[float, float]


@dataclass(frozen=True)
class ScoreChoice:
    """The score that ranks the best `k` heads from now on, the one suggested before being the first `tried`.

    strips: pictures that were tried. refused: why the choice is no suggestion, None where it is one.
    """

    score: str
    k: int
    strips: int
    tried: list[ScoreTried]
    refused: str | None = None

    @property
    def accuracy(self) -> float:
        """Accuracy by the score chosen."""
        return next(each.accuracy for each in self.tried if each.score == self.score)

    @property
    def words(self) -> str:
        """What was found, in one line."""
        first, second = self.tried
        better = (
            "better on either half of them" if self.score == second.score else "not better on both halves"
        )
        return (
            f"top {self.k} by {first.score} steer {first.accuracy:.3f} and by {second.score} "
            f"{second.accuracy:.3f} on {self.strips} pictures, {better}"
        )


def are_apart(headset: HeadSet, k: int) -> bool:
    """Whether the best `k` heads by raw score and by selectivity are different choices of heads."""
    if not all(headset.has(score) for score in SCORES):
        return False
    first, second = (set(headset.top(k, score)) for score in SCORES)
    return len(first & second) < _SHARED * k


def pictures_to_try(pictures: int, seed: int) -> list[int]:
    """Numbers of the pictures on which scores are tried: all, or 100 at random; none of too few."""
    if pictures < FEWEST:
        return []
    return sorted(random.Random(seed).sample(range(pictures), min(pictures, MOST)))


def choose_score(
    task: Task,
    headset: HeadSet,
    k: int,
    scores: Sequence[str],
    numbers: Sequence[int],
    seed: int,
    advance: Advance,
) -> ScoreChoice:
    """Steer the best `k` heads by either of two `scores` at every region of the pictures `numbers`.

    The second is chosen when it is better on both halves of the pictures, each time by more than one standard
    error: so it was found on other pictures than any it is then measured on.
    """
    choices = [Choice(tuple(headset.top(k, score))) for score in scores]
    shares = np.array([_shares(trials) for trials in task.trials(numbers, choices, advance)])  # (2, pictures)
    parts = halves(len(numbers), seed)
    tried = [
        ScoreTried(score, float(own.mean()), (float(own[parts[0]].mean()), float(own[parts[1]].mean())))
        for score, own in zip(scores, shares, strict=True)
    ]
    gained = shares[1] - shares[0]
    is_better = all(gained[part].mean() > _standard_error(gained[part]) for part in parts)
    return ScoreChoice(scores[is_better], k, len(numbers), tried)


def _shares(pictures: Sequence[Sequence[Trial]]) -> Float64:
    """The share of hits of each picture."""
    return np.array([np.mean([trial.hit for trial in trials]) if trials else 0.0 for trials in pictures])


def _standard_error(values: Float64) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)
