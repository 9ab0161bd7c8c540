"""What heads look at in any forward pass of a model, row by row: the watcher of a `watched` block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gazecli.errors import ModelError, UsageError
from gazecli.models.attention.gaze_attention import RowWatcher, WatchedRows
from gazecli.models.attention.placement import Prompts
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.pictures.picture import Regional
from gazecli.pictures.regions import Region

Floats = npt.NDArray[np.float32]


class _Rows(Prompts[list[ImageLayout]]):
    """The layout of each row of the prompt that was seen last."""

    def make(self, layouts: Sequence[ImageLayout]) -> list[ImageLayout]:
        """The layouts."""
        return list(layouts)


class Watched(RowWatcher):
    """The attention of `heads` while texts are written: of each call, of each row, at each token.

    A step is the forward pass that lets a token be written: the prompt's pass lets the first. Rows are those
    of the batch; where beams are searched, a row is no one text. heads: (layer, head).
    """

    def __init__(
        self, layouts: Sequence[ImageLayout], placeholder: int, heads: Sequence[tuple[int, int]]
    ) -> None:
        self.heads = list(heads)
        self.calls: list[list[ValueWeightedAttention]] = []
        self._prompts = _Rows(layouts, placeholder)
        self._layouts: list[list[ImageLayout]] = []
        self._layers = {layer for layer, _ in self.heads}

    def see(self, arguments: Mapping[str, Any]) -> None:
        """A forward pass of the whole model begins; another prompt begins another call."""
        layouts = self._prompts.of_pass(arguments)
        if not self._layouts or layouts is not self._layouts[-1]:
            self._layouts.append(layouts)
            self.calls.append([ValueWeightedAttention(each.positions, [self.heads]) for each in layouts])

    def begin_step(self) -> None:
        """A forward pass of the decoder begins."""
        for each in self.calls[-1] if self.calls else ():
            each.begin_step()

    def wants(self, layer: int, /) -> bool:
        """Whether rows of this layer are to be read."""
        return layer in self._layers

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Give each row of the batch its own."""
        if not self.calls:
            raise ModelError(
                "a forward pass bypassed the model, so its image tokens are unknown",
                hint="run the whole model, not a part of it",
                code="model.unseen",
            )
        for row, each in enumerate(self.calls[-1]):
            one = slice(row, row + 1)
            each.receive(layer, WatchedRows(rows.weights[one], rows.value[one], rows.first_key))

    @property
    def count(self) -> int:
        """How many rows the last call has."""
        return len(self.calls[-1]) if self.calls else 0

    def maps(self, row: int = 0) -> Floats:
        """Shares of the heads' value-weighted attention on each image token of a row: (tokens, N)."""
        each = self._row(row)
        return each.maps(0, 0, len(each.steps))

    def trajectory(self, row: int = 0, regions: Sequence[Regional] | None = None, picture: int = 0) -> Floats:
        """These summed over regions, by default those of the picture: (tokens, R)."""
        layout = self.layout(row)
        named: list[Region] = [
            layout.region(each, picture) for each in self._regions(layout, regions, picture)
        ]
        return self.maps(row) @ layout.region_table(named, picture)

    def layout(self, row: int = 0) -> ImageLayout:
        """Where the image tokens of a row stand."""
        self._row(row)
        return self._layouts[-1][row]

    def _regions(
        self, layout: ImageLayout, regions: Sequence[Regional] | None, picture: int
    ) -> Sequence[Regional]:
        if regions is not None:
            return regions
        known = layout.pictures[picture].regions if picture < len(layout.pictures) else []
        if not known:
            raise UsageError(
                "the picture has no regions", hint="name some: watched.trajectory(regions=[...])"
            )
        return known

    def _row(self, row: int) -> ValueWeightedAttention:
        if not self.calls:
            raise UsageError("nothing ran inside the block", hint="run the model inside `vlm.watched`")
        if not 0 <= row < len(self.calls[-1]):
            hint = f"the call has {len(self.calls[-1])} rows, counted from 0"
            raise UsageError("no such row", subject=str(row), hint=hint)
        return self.calls[-1][row]
