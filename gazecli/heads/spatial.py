"""How scattered a head's attention on a picture is: spatial entropy, and where its peak lies.

Formulas of the localization heads that Gandikota & Bau 2026 (arXiv 2606.14703) compare with. Knows nothing of
models; numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gazecli.heads.scoring import elbow

Floats = npt.NDArray[np.floating]
Float64 = npt.NDArray[np.float64]

# Entropy settles after a few strips; a map a strip of all of them would cost large models a tenth more.
MAPPED_STRIPS = 32
_FEWEST_ROWS = 3  # in two rows the bottom one is half of the picture

# Within one map, cells that share an edge or a corner are neighbours; those of two maps are not.
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def mapped_questions(strips: Sequence[int], panels: int) -> list[int | None]:
    """For each strip's number the question whose map is looked at, or None: panels in turn."""
    return [number % panels if number < MAPPED_STRIPS else None for number in strips]


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

    A layer whose heads all look alike scores zero.
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
    kept: npt.NDArray[np.bool_] = (image_mass >= ordered[elbow(ordered) - 1]) & (bottom <= 0.5)
    kept[:2] = False
    return np.asarray(1.0 / (1.0 + entropy) - np.where(kept, 0.0, 1.0), np.float64)
