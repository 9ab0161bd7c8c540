"""Regions of a picture: boxes and masks in its pixels, and which token cells they own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Region:
    """A numbered part of a picture.

    `box` is x0, y0, x1, y1 in pixels of the original picture; `mask`, where given, is bool
    [height, width] of the picture and `box` is its bounding box. `panel`: it is a panel of a comic strip.
    """

    number: int
    box: Box
    mask: NDArray[np.bool_] | None = None
    label: str | None = None
    panel: bool = False

    @property
    def name(self) -> str:
        """How people see it: its label, else its number."""
        return self.label or str(self.number)

    def owns(self, boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which token cells belong to this region: float [N, 4] in pixels -> bool [N].

        A cell belongs where its centre lies; right and bottom edges are open, so neighbours share no
        cell. Where no centre lies inside, the one cell that overlaps most. Cells with NaN never.
        """
        cells = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(cells).all(axis=1))
        cells = np.where(seen[:, None], cells, -1.0)
        centre_x, centre_y = (cells[:, 0] + cells[:, 2]) / 2, (cells[:, 1] + cells[:, 3]) / 2
        owned = np.asarray(seen & self._contains(centre_x, centre_y))
        if not owned.any() and seen.any():
            overlap = np.where(seen, self._overlap(cells), 0.0)
            best = int(overlap.argmax())
            owned[best] = overlap[best] > 0
        return owned

    def _contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        x0, y0, x1, y1 = self.box
        inside: NDArray[np.bool_] = np.asarray((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
        if self.mask is not None:
            inside[inside] = self.mask[y[inside].astype(np.intp), x[inside].astype(np.intp)]
        return inside

    def _overlap(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Square pixels each cell shares with the region: [N, 4] -> [N]."""
        x0, y0, x1, y1 = self.box
        left, right = np.clip(cells[:, 0], x0, x1), np.clip(cells[:, 2], x0, x1)
        top, bottom = np.clip(cells[:, 1], y0, y1), np.clip(cells[:, 3], y0, y1)
        if self.mask is None:
            return np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
        inner = self.mask[int(y0) : int(y1), int(x0) : int(x1)]
        summed = np.zeros((inner.shape[0] + 1, inner.shape[1] + 1))
        summed[1:, 1:] = inner.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
        left, right, top, bottom = left - x0, right - x0, top - y0, bottom - y0
        covered = (
            _interpolate(summed, bottom, right)
            - _interpolate(summed, top, right)
            - _interpolate(summed, bottom, left)
            + _interpolate(summed, top, left)
        )
        return np.where((right > left) & (bottom > top), covered, 0.0)


def numbered(boxes: Sequence[Box]) -> list[Region]:
    """A panel a box, numbered from 1."""
    return [Region(number, box, panel=True) for number, box in enumerate(boxes, start=1)]


def overlap(one: Region, other: Region) -> float:
    """The pixels that the boxes of two regions have in common, as a share of all that either has."""
    (a0, b0, a1, b1), (c0, d0, c1, d1) = one.box, other.box
    common = max(0.0, min(a1, c1) - max(a0, c0)) * max(0.0, min(b1, d1) - max(b0, d0))
    whole = (a1 - a0) * (b1 - b0) + (c1 - c0) * (d1 - d0) - common
    return common / whole if whole > 0 else 0.0


def _interpolate(
    table: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear look-up in a summed-area table, which makes areas of fractional cells exact."""
    row = np.minimum(y.astype(np.intp), table.shape[0] - 2)
    column = np.minimum(x.astype(np.intp), table.shape[1] - 2)
    down, across = y - row, x - column
    upper = table[row, column] * (1 - across) + table[row, column + 1] * across
    lower = table[row + 1, column] * (1 - across) + table[row + 1, column + 1] * across
    interpolated: NDArray[np.float64] = upper * (1 - down) + lower * down
    return interpolated
