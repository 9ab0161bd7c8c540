"""Matrices become scores: raw, selectivity, image mass, the shuffled null, reliability, a suggestion.

A matrix A[k, j] of a head is the attention of the last prompt token on panel j when asked about panel k.
Knows nothing of models or pictures; numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
ScoreName = Literal["raw", "selectivity", "image", "localization"]
SCORE_NAMES: tuple[str, ...] = get_args(ScoreName)

# The paper's best K lie between 2 % and 12 % of all heads, never below 10 heads (arXiv 2606.14703, K sweep).
LARGEST_SHARE = 0.12
FEW = 16
SHUFFLES = 100


def diagonal_mean(matrices: Floats) -> Floats:
    """Mean of the diagonal: (…, P, P) -> (…).

    Of raw attention it is the paper's gaze score (arXiv 2606.14703, discovery); of row-normalised
    attention the selectivity (arXiv 2609.14174).
    """
    mean: Floats = np.diagonal(matrices, axis1=-2, axis2=-1).mean(-1)
    return mean


def row_normalised(matrices: Floats) -> Floats:
    """Each row divided by its sum; a row without any mass becomes uniform: (…, P, P)."""
    sums = matrices.sum(-1, keepdims=True)
    panels = matrices.shape[-1]
    safe = np.where(sums > 0, sums, 1.0)
    normalised: Floats = np.where(sums > 0, matrices / safe, 1.0 / panels)
    return normalised


def shuffled_scores(matrices: Floats, seed: int, strip: int, shuffles: int = SHUFFLES) -> Floats:
    """Gaze scores of one strip with permuted questions: (L, H, P, P) -> (shuffles, L, H).

    Each shuffle permutes which panel counts as the one asked about; the draw depends on the seed and the
    strip's number only.
    """
    rng = np.random.default_rng([seed, strip])
    panels = matrices.shape[-1]
    asked = np.arange(panels)
    drawn = np.stack([rng.permutation(panels) for _ in range(shuffles)])  # (shuffles, P)
    picked = matrices[..., asked[None, :], drawn]  # (L, H, shuffles, P)
    scores: Floats = np.moveaxis(picked.mean(-1), -1, 0)
    return scores


def ranking(scores: Floats) -> list[tuple[int, int]]:
    """All heads, best first; ties go to the lower layer, then the lower head."""
    layers, heads = scores.shape
    order = np.argsort(-scores.reshape(-1), kind="stable")
    return [(int(i) // heads, int(i) % heads) for i in order[: layers * heads]]


@dataclass(frozen=True)
class Suggestion:
    """A score and a K, and why."""

    score: ScoreName
    top: int
    why: str


def suggest(raw: Floats, null_bar: float) -> Suggestion:
    """How many heads to steer: those that stand out of the sorted raw scores.

    The count ends where the first of these does: the elbow, the point farthest from the chord between the
    best score and the worst; a third of the best score; the null's bar; and 12 % of all heads, where
    sixteen are never too many.
    """
    ordered = np.sort(raw.reshape(-1))[::-1]
    above = int((ordered > null_bar).sum())
    if above == 0:
        return Suggestion(
            "raw",
            1,
            f"no head's raw score rises above the label-shuffled null ({null_bar:.3f}): "
            "this model shows no gaze heads on these comics, do not expect steering to redirect",
        )
    limits = {
        "the elbow of the sorted scores": elbow(ordered),
        "a third of the best score": int((ordered >= ordered[0] / 3).sum()),
        "the label-shuffled null": above,
        "12 % of all heads": max(FEW, int(LARGEST_SHARE * len(ordered) + 0.5)),
    }
    limit, top = min(limits.items(), key=lambda entry: entry[1])
    return Suggestion(
        "raw",
        top,
        f"{above} heads score above the label-shuffled null ({null_bar:.3f}); cut at {limit}, "
        f"raw scores {ordered[0]:.2f} to {ordered[top - 1]:.2f}. Not yet tested by steering",
    )


def elbow(ordered: Floats) -> int:
    """How many leading values come before the point farthest below the chord."""
    if len(ordered) < 3:
        return 1
    places = np.linspace(0.0, 1.0, len(ordered))
    chord = ordered[0] + (ordered[-1] - ordered[0]) * places
    return max(1, int(np.argmax(chord - ordered)))


@dataclass(frozen=True)
class SplitHalf:
    """Agreement of the scores of two halves of the strips."""

    correlation: float
    overlap: int
    top: int


def split_half(halves: Floats, top: int) -> SplitHalf | None:
    """Compare raw scores of the two halves: (2, L, H, P, P); None when a half is empty."""
    if not halves.any(axis=(1, 2, 3, 4)).all():
        return None
    first, second = diagonal_mean(halves[0]), diagonal_mean(halves[1])
    spread = first.std() * second.std()
    correlation = float(np.corrcoef(first.ravel(), second.ravel())[0, 1]) if spread > 0 else 0.0
    shared = set(ranking(first)[:top]) & set(ranking(second)[:top])
    return SplitHalf(correlation, len(shared), top)
