"""How sure a share is, and how well two orders agree.

Knows nothing of answers, heads or pictures; it takes numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 10_000
_AT_A_TIME = 500  # 500 draws of a thousand pictures take 4 MB


def bootstrap_interval(
    hits: Sequence[float], trials: Sequence[float], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % percentile interval of sum(hits) / sum(trials), resampled over pictures.

    hits and trials have one number a picture: answers about one picture are not independent, so whole
    pictures are drawn. ValueError when there are none.
    """
    per_picture = np.stack([np.asarray(hits, float), np.asarray(trials, float)])  # (2, pictures)
    pictures = per_picture.shape[1]
    if pictures == 0 or per_picture[1].min() <= 0:
        raise ValueError("an interval needs pictures with at least one trial each")
    rng = np.random.default_rng(seed)
    even = np.full(pictures, 1 / pictures)
    shares: list[npt.NDArray[np.float64]] = []
    for first in range(0, resamples, _AT_A_TIME):
        drawn = rng.multinomial(pictures, even, size=min(_AT_A_TIME, resamples - first))  # (draws, pictures)
        right, all_of_them = per_picture @ drawn.T
        shares.append(right / all_of_them)
    low, high = np.quantile(np.concatenate(shares), (0.025, 0.975))
    return float(low), float(high)


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Rank correlation from -1 to 1; None for fewer than two pairs or where one side never varies."""
    if len(one) != len(other):
        raise ValueError("ranks come in pairs")
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(stats.spearmanr(one, other).statistic)
