"""Which rows of a batch are kept as maps over the picture, and what those maps add to the strips' masses.

Knows nothing of sums or scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gazecli.heads.accumulation import Float64
from gazecli.heads.spatial import peaks_at_bottom, spatial_entropy
from gazecli.models.layouts.lattice import Lattice, lattice_of
from gazecli.models.maps import MapKeeper
from gazecli.models.questions import Questions


@dataclass(frozen=True)
class Maps:
    """The maps of one batch: `places` are (strip in the batch, question), in the keeper's order."""

    places: list[tuple[int, int]]
    lattice: Lattice
    keeper: MapKeeper

    def kept(self, layers: Sequence[int], device: torch.device) -> torch.Tensor:
        """The maps on `device`: (layers, M, H, n) in float32."""
        return torch.stack([self.keeper.layers[layer].to(device, torch.float32) for layer in layers])

    def columns(self, kept: torch.Tensor, shape: Sequence[int]) -> Float64:
        """Entropy, peak at the bottom and 1 where there is a map: (B, layers, H, P, 3), else zeros.

        `kept` is on the host; `shape` begins with (B, layers, H, P).
        """
        columns = np.zeros((*shape[:4], 3))
        finite = torch.nan_to_num(kept)  # attention that is not finite is refused with the masses
        for number, (strip, question) in enumerate(self.places):
            maps = self.lattice.drawn(finite[:, number].flatten(0, 1).numpy())  # (layers * H, rows, columns)
            columns[strip, :, :, question, 0] = spatial_entropy(maps).reshape(shape[1:3])
            columns[strip, :, :, question, 1] = peaks_at_bottom(maps).reshape(shape[1:3])
            columns[strip, :, :, question, 2] = 1.0
        return columns


def maps_of(batch: Sequence[Questions], mapped: Sequence[int | None]) -> Maps | None:
    """What to keep of a batch of equal pictures, one question of `mapped` each; None where none is to be."""
    places = [(strip, question) for strip, question in enumerate(mapped) if question is not None]
    lattice = lattice_of(batch[0].layout) if places else None
    if lattice is None:
        return None
    rows = torch.tensor([strip * len(batch[0].ids) + question for strip, question in places])
    positions = batch[0].layout.positions[torch.from_numpy(lattice.tokens)]
    return Maps(places, lattice, MapKeeper(rows, positions))
