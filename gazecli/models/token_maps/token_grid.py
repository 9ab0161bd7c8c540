"""Image tokens as the cells of one grid: what an attention map is drawn on.

A picture seen as tiles and as a thumbnail has several views; the one with most tokens counts, its tiles
joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gazecli.models.token_maps.image_tokens import ImageLayout

_SAME_SIZE = 0.2  # cells of one view differ by rounding, those of two views by more


@dataclass(frozen=True)
class TokenGrid:
    """A grid of `rows` x `columns` cells. tokens, row, column: (n,), which image token lies in which cell.

    `tokens` are indices into the layout's image tokens. Cells that no token looks at stay empty.
    """

    tokens: npt.NDArray[np.intp]
    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    rows: int
    columns: int

    def drawn(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Values of `tokens` put in their cells: (…, n) -> (…, rows, columns), NaN in empty cells."""
        grid = np.full((*values.shape[:-1], self.rows, self.columns), np.nan)
        grid[..., self.row, self.column] = values
        return grid


def token_grid_of(layout: ImageLayout, picture: int = 0) -> TokenGrid | None:
    """The grid of one picture's image tokens; None when no token looks at anything."""
    boxes = layout.boxes.numpy().astype(np.float64)
    seeing = np.flatnonzero((layout.picture == picture).numpy() & ~np.isnan(boxes).any(1))
    if not seeing.size:
        return None
    tokens = _largest_view(seeing, boxes)
    centres = (boxes[tokens, :2] + boxes[tokens, 2:]) / 2  # (n, 2)
    cell = np.median(boxes[tokens, 2:] - boxes[tokens, :2], axis=0)
    column, row = np.rint((centres - centres.min(0)) / cell).astype(np.intp).T
    return TokenGrid(tokens, row, column, int(row.max()) + 1, int(column.max()) + 1)


def _largest_view(seeing: npt.NDArray[np.intp], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Of the views the tokens run through, those with equal cells taken together, the largest."""
    corners = boxes[seeing, :2]
    # Views run row by row: where the next cell lies neither further right nor below, another begins.
    goes_on = (corners[1:, 1] > corners[:-1, 1]) | (
        (corners[1:, 1] == corners[:-1, 1]) & (corners[1:, 0] > corners[:-1, 0])
    )
    runs = np.split(seeing, np.flatnonzero(~goes_on) + 1)
    groups: list[tuple[npt.NDArray[np.float64], list[npt.NDArray[np.intp]]]] = []
    for run in runs:
        cell = np.median(boxes[run, 2:] - boxes[run, :2], axis=0)
        for known, members in groups:
            if (np.abs(cell - known) <= _SAME_SIZE * known).all():
                members.append(run)
                break
        else:
            groups.append((cell, [run]))
    return np.concatenate(max((members for _, members in groups), key=lambda each: sum(map(len, each))))
