"""Ways of choosing heads, side by side.

Knows nothing of models or of how well the heads steer.
"""

from __future__ import annotations

from collections.abc import Sequence

from gazecli.heads.headset import Head, HeadSet
from gazecli.heads.scoring import SCORE_NAMES


def selections(headset: HeadSet, k: int) -> dict[str, list[Head]]:
    """The best `k` heads by every score the head set knows, best first."""
    return {score: headset.top(k, score) for score in SCORE_NAMES if headset.has(score)}


def overlaps(chosen: Sequence[Sequence[Head]]) -> list[list[int]]:
    """How many heads each two selections share: a square, in their order."""
    return [[len(set(one) & set(other)) for other in chosen] for one in chosen]
