"""Whole rows of attention on chosen prompt tokens, kept while another watcher reads them.

Knows nothing of what the tokens look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gazecli.models.attention import RowWatcher
from gazecli.models.rows import Rows
from gazecli.models.transfer import send


class MapKeeper:
    """Keeps what some watched rows of a batch give to the prompt tokens at `positions`: (n,).

    `rows` are numbers in the batch, counted sequence by sequence and row by row. `layers` grows by
    {layer: (rows, H, n)}, zero where a sliding window has left a token behind.
    """

    def __init__(self, rows: torch.Tensor, positions: torch.Tensor) -> None:
        self.rows = rows
        self.positions = positions
        self.layers: dict[int, torch.Tensor] = {}
        self._places: dict[tuple[object, ...], list[torch.Tensor]] = {}  # the same in every layer

    def beside(self, watcher: RowWatcher, first_row: int = 0) -> RowWatcher:
        """A watcher that reads what `watcher` does; its rows are those of the batch from `first_row` on."""
        return _Beside(self, watcher, first_row)

    def keep(self, layer: int, weights: torch.Tensor, first_key: int, first_row: int) -> None:
        """Take rows (B, H, R, K)."""
        each = weights.shape[2]
        key = (len(weights), each, first_key, first_row, weights.device)
        if key not in self._places:
            last = first_row + len(weights) * each
            here = self.rows[(self.rows >= first_row) & (self.rows < last)] - first_row
            chosen = (here // each, here % each, self.positions - first_key)
            self._places[key] = [send(index, weights.device) for index in chosen]
        sequences, rows, places = self._places[key]
        picked = weights[sequences, :, rows]  # (n, H, K)
        kept = picked[..., places.clamp(min=0)] * (places >= 0)
        before = self.layers.get(layer)
        self.layers[layer] = kept if before is None else torch.cat((before, kept))


@dataclass(frozen=True)
class _Beside:
    keeper: MapKeeper
    watcher: RowWatcher
    first_row: int

    def wants(self, layer: int) -> bool:
        return self.watcher.wants(layer)

    def rows(self, first_query: int, queries: int) -> Rows | None:
        return self.watcher.rows(first_query, queries)

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        # First, because the other may end the pass here.
        self.keeper.keep(layer, weights, first_key, self.first_row)
        self.watcher.receive(layer, weights, value, first_key)
