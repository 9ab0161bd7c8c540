"""Matrices become scores: raw, selectivity, image mass, the shuffled null, reliability, a suggestion.

A matrix A[k, j] of a head is the attention of the last prompt token on panel j at the question about panel k.
For the localization heads: how scattered a map over the picture is (spatial entropy) and where its peak
lies, the formulas that Gandikota & Bau 2026 (arXiv 2606.14703) compare with. numpy and scipy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.floating]
Float64 = npt.NDArray[np.float64]
ScoreName = Literal["raw", "selectivity", "image", "localization"]
SCORE_NAMES: tuple[str, ...] = get_args(ScoreName)

# The paper's best K lie between 2 % and 12 % of all heads, never below 10 heads (arXiv 2606.14703, K sweep).
LARGEST_SHARE = 0.12
FEW = 16
SHUFFLES = 100
UNTESTED = "Not yet tested by steering"

# Entropy settles after a few strips; a map a strip of all of them would cost large models a tenth more.
MAPPED_STRIPS = 32
_FEWEST_ROWS = 3  # in two rows the bottom one is half of the picture

# Within one map, cells that share an edge or a corner are neighbours; those of two maps are not.
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


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
    safe = np.where(sums > 0, sums, 1.0)
    normalised: Floats = np.where(sums > 0, matrices / safe, 1.0 / matrices.shape[-1])
    return normalised


def shuffled_scores(matrices: Floats, seed: int, strip: int, shuffles: int = SHUFFLES) -> Floats:
    """Gaze scores of one strip with permuted questions: (L, H, P, P) -> (shuffles, L, H).

    Each shuffle permutes which panel counts as that of the question; the draw depends on the seed and the
    strip's number only.
    """
    rng = np.random.default_rng([seed, strip])
    panels = matrices.shape[-1]
    questions = np.arange(panels)
    drawn = np.stack([rng.permutation(panels) for _ in range(shuffles)])  # (shuffles, P)
    picked = matrices[..., questions[None, :], drawn]  # (L, H, shuffles, P)
    scores: Floats = np.moveaxis(picked.mean(-1), -1, 0)
    return scores


def ranking(scores: Floats) -> list[tuple[int, int]]:
    """All heads, best first; ties go to the lower layer, then the lower head."""
    order = np.argsort(-scores.reshape(-1), kind="stable")
    return [divmod(place, scores.shape[1]) for place in order.tolist()]


@dataclass(frozen=True)
class Suggestion:
    """A score and a K, and why."""

    score: ScoreName
    top: int
    why: str


def suggest(raw: Floats, null_bar: float, on: str = "comics") -> Suggestion:
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
            f"this model shows no gaze heads on these {on}, do not expect steering to redirect",
        )
    limits = {**_limits(ordered, len(ordered)), "the label-shuffled null": above}
    limit, top = min(limits.items(), key=lambda entry: entry[1])
    return Suggestion(
        "raw",
        top,
        f"{above} heads score above the label-shuffled null ({null_bar:.3f}); cut at {limit}, "
        f"raw scores {ordered[0]:.2f} to {ordered[top - 1]:.2f}. {UNTESTED}",
    )


def suggest_unmeasured(scores: Floats, heads: int) -> Suggestion:
    """`suggest` for the scores alone of some of a model's `heads`: there is no null to compare with."""
    ordered = np.sort(scores.reshape(-1))[::-1]
    limit, top = min(_limits(ordered, heads).items(), key=lambda entry: entry[1])
    why = f"cut at {limit}; without matrices there is no null to compare with. {UNTESTED}"
    return Suggestion("raw", min(top, len(ordered)), why)


def _limits(ordered: Floats, heads: int) -> dict[str, int]:
    """Where sorted scores of a model of so many heads may be cut, and how many heads are left."""
    return {
        "the elbow of the sorted scores": elbow(ordered),
        # Of scores that are no shares, z-scores for example, a third means nothing.
        "a third of the best score": int((ordered >= ordered[0] / 3).sum()) if ordered[-1] >= 0 else heads,
        "12 % of all heads": max(FEW, int(LARGEST_SHARE * heads + 0.5)),
    }


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


def mapped_question(strip: int, panels: int) -> int | None:
    """The question whose map is kept of strip number `strip`, or None: panels in turn."""
    return strip % panels if strip < MAPPED_STRIPS else None


def spatial_entropy(maps: Floats) -> Float64:
    """−Σ p ln p over the 8-connected components of relu(map − mean): (M, rows, columns) -> (M,).

    p is a component's share of what is above the mean. Empty cells are NaN. A map without anything above its
    mean is as scattered as can be: ln of its number of cells.
    """
    filled = ~np.isnan(maps)
    above = np.where(filled, np.maximum(maps - np.nanmean(maps, axis=(1, 2), keepdims=True), 0.0), 0.0)
    # What rounding leaves of a flat map is no peak.
    above[above <= 1e-7 * np.nanmax(maps, axis=(1, 2), keepdims=True)] = 0.0
    labels, count = ndimage.label(above > 0, structure=_NEIGHBOURS)
    mass = np.bincount(labels.ravel(), weights=above.ravel(), minlength=count + 1)[1:]
    owner = np.zeros(count + 1, dtype=np.intp)
    owner[labels.ravel()] = np.repeat(np.arange(len(maps)), maps[0].size)
    whole = np.bincount(owner[1:], weights=mass, minlength=len(maps))
    share = mass / whole[owner[1:]]
    entropy = np.bincount(owner[1:], weights=-share * np.log(share), minlength=len(maps))
    flat: Float64 = np.where(whole > 0, entropy, np.log(filled.sum(axis=(1, 2))))
    return flat


def peaks_at_bottom(maps: Floats) -> npt.NDArray[np.bool_]:
    """Whether each map's largest cell lies in the bottom row: (M, rows, columns) -> (M,).

    Never in a picture of fewer than three rows.
    """
    rows, columns = maps.shape[1:]
    if rows < _FEWEST_ROWS:
        return np.zeros(len(maps), dtype=bool)
    peak = np.nanargmax(maps.reshape(len(maps), -1), axis=1)
    bottom: npt.NDArray[np.bool_] = peak // columns == rows - 1
    return bottom


def image_z(masses: Floats) -> Float64:
    """Image mass as z-scores within each layer, mean over questions: (L, H, P) -> (L, H).

    A layer whose heads are all alike scores zero.
    """
    spread = masses.std(axis=1, keepdims=True)
    centred = masses - masses.mean(axis=1, keepdims=True)
    scored: Float64 = np.where(spread > 0, centred / np.where(spread > 0, spread, 1.0), 0.0).mean(-1)
    return scored


def localization(image_mass: Floats, entropy: Floats, bottom: Floats) -> Float64:
    """Scores by which localization heads rank first: (L, H) each -> (L, H).

    A head is one when its image mass lies above the elbow of the sorted curve, its layer is none of the first
    two, and its peak mostly lies above the bottom row. Those score 1 / (1 + entropy), all others that less
    one, so that they follow behind, ranked alike.
    """
    ordered = np.sort(image_mass.reshape(-1))[::-1]
    candidates: npt.NDArray[np.bool_] = (image_mass >= ordered[elbow(ordered) - 1]) & (bottom <= 0.5)
    candidates[:2] = False
    return np.asarray(1.0 / (1.0 + entropy) - np.where(candidates, 0.0, 1.0), np.float64)
