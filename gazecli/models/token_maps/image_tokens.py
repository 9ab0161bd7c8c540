"""`ImageLayout`: where image tokens stand in a prompt, and which pixels each looks at; and as one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from gazecli.errors import RegionError, UsageError
from gazecli.pictures.picture import Picture, Regional
from gazecli.pictures.regions import Region

FITTING = (
    "take inputs and layout from one call of `vlm.prepare`; where the rows of a batch show different "
    "pictures, give a list of layouts, one a row"
)
_SAME_SIZE = 0.2  # cells of one view differ by rounding, those of two views by more


@dataclass(frozen=True)
class ImageLayout:
    """The image tokens of one prompt, in order.

    positions: (N,) int64, where each stands in the input sequence. boxes: (N, 4) float32, the pixels of the
    ORIGINAL picture it looks at, NaN where it looks at none. picture: (N,) int64, which of the
    prompt's pictures it belongs to. length: tokens of the whole prompt. prepared: `squashed` when a picture
    was stretched to the model's square because its processor would have cropped it. ids: (length,) int64, the
    prompt. sizes: (pictures, n), what the processor tells the model of each picture's size, as its grid.
    pictures: those of the prompt, whose regions may be named.
    bound: the most image tokens a picture was allowed, None for as many as the processor makes.
    """

    positions: torch.Tensor
    boxes: torch.Tensor
    picture: torch.Tensor
    length: int
    prepared: Literal["squashed"] | None = None
    ids: torch.Tensor | None = None
    sizes: torch.Tensor | None = None
    pictures: Sequence[Picture] = field(default=(), repr=False)
    bound: int | None = None

    def moved(self, positions: torch.Tensor, length: int) -> ImageLayout:
        """The same image tokens at other positions, (N,), of a prompt that ends at `length`.

        Raises UsageError when they are not as many, or do not lie together as these do.
        """
        if len(positions) != len(self.positions):
            raise UsageError(
                f"the prompt holds {len(positions)} image tokens, and its layout {len(self.positions)}",
                hint=FITTING,
                code="layout.mismatch",
            )
        if not torch.equal(self._within(positions), self._within(self.positions)):
            raise UsageError(
                "the image tokens of the prompt are not where its layout has them",
                hint=FITTING,
                code="layout.mismatch",
            )
        return replace(self, positions=positions, length=length)

    def _within(self, positions: torch.Tensor) -> torch.Tensor:
        """How far each image token stands behind its picture's first: (N,)."""
        firsts = torch.searchsorted(self.picture, self.picture)
        return positions - positions[firsts]

    def tokens(self, region: Region, picture: int = 0) -> torch.Tensor:
        """Positions of the image tokens a region owns: (n,) int64.

        Raises RegionError when it owns none.
        """
        owned = self.owned(region, picture)
        if not owned.any():
            box = ",".join(f"{edge:g}" for edge in region.box)
            raise RegionError(
                f"no image token looks at region {region.number}",
                subject=box,
                hint="the model's picture processor leaves this part out: let the picture be squashed "
                "(without --no-squash), or choose a larger region",
                code="region.without_token",
            )
        return self.positions[torch.from_numpy(owned)]

    def region(self, spec: Regional, picture: int = 0) -> Region:
        """A region of a picture of the prompt by its number, a text or four pixels; a `Region` is itself.

        Raises RegionError for one that is not there, UsageError where the layout does not know its pictures.
        """
        if isinstance(spec, Region):
            return spec
        if not 0 <= picture < len(self.pictures):
            raise UsageError(
                "this layout does not know the regions of its picture",
                subject=str(spec)[:80],
                hint="use picture.regions[2], or the layout that `vlm.prepare` returned",
            )
        shown = self.pictures[picture]
        return shown.region(spec, shown.panels + 1)

    def count(self, region: Region, picture: int = 0) -> int:
        """How many image tokens a region owns; none where the processor cropped it away."""
        return int(self.owned(region, picture).sum())

    def owned(self, region: Region, picture: int = 0) -> npt.NDArray[np.bool_]:
        """Which image tokens a region owns: (N,)."""
        owned = (self.picture == picture).numpy()
        owned[owned] = region.owns(self.boxes.numpy()[owned])
        return owned

    def region_table(self, regions: Sequence[Region], picture: int = 0) -> npt.NDArray[np.float32]:
        """Which image token belongs to which region: (N, R) of 0 and 1."""
        table = np.zeros((len(self.boxes), len(regions)), np.float32)
        for column, region in enumerate(regions):
            table[:, column] = self.owned(region, picture)
        return table

    def membership(self, regions: Sequence[Region]) -> torch.Tensor:
        """Which prompt token belongs to which region of the first picture: (length, R + 1) of 0 and 1.

        The last column marks every image token. Raises RegionError for a region without a token.
        """
        table = torch.zeros(self.length, len(regions) + 1)
        for column, region in enumerate(regions):
            table[self.tokens(region), column] = 1.0
        table[self.positions, -1] = 1.0
        return table


def sizes_among(arguments: Mapping[str, Any]) -> torch.Tensor | None:
    """What a model's arguments say of each picture's size, (pictures, n) on the CPU; None for nothing."""
    given = [arguments.get(name) for name in ("image_grid_thw", "image_sizes", "image_grids")]
    found = next((torch.as_tensor(sizes) for sizes in given if sizes is not None), None)
    return None if found is None else found.flatten(1).cpu()


@dataclass(frozen=True)
class TokenGrid:
    """What an attention map is drawn on: `rows` x `columns` cells.

    tokens, row, column: (n,), which of the layout's image tokens lies in which cell. Cells that no token
    looks at stay empty.
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
    """The grid of one picture's image tokens; None when no token looks at anything.

    A picture seen as tiles and as a thumbnail has several views; the one with most tokens counts, its tiles
    joined.
    """
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
