"""Whole rows of attention on chosen prompt tokens, kept while region masses are read.

Knows nothing of what the tokens look at.
"""

from __future__ import annotations

import torch


class MapKeeper:
    """Keeps what some watched rows of a batch give to the prompt tokens at `positions`: (n,).

    `rows` are numbers in the batch. `layers` grows by {layer: (rows, H, n)}, zero where a sliding window has
    left a token behind.
    """

    def __init__(self, rows: torch.Tensor, positions: torch.Tensor) -> None:
        self.rows = rows
        self.positions = positions
        self.layers: dict[int, torch.Tensor] = {}

    def receive(self, layer: int, weights: torch.Tensor, first_key: int, first_row: int = 0) -> None:
        """Take rows (B, H, K) of the batch's sequences from `first_row` on."""
        here = self.rows[(self.rows >= first_row) & (self.rows < first_row + len(weights))] - first_row
        places = (self.positions - first_key).to(weights.device)
        kept = weights[here.to(weights.device)][..., places.clamp(min=0)] * (places >= 0)
        before = self.layers.get(layer)
        self.layers[layer] = kept if before is None else torch.cat((before, kept))
