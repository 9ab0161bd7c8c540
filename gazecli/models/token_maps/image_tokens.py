"""`ImageLayout`: where image tokens stand in a prompt, and which pixels each looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from gazecli.errors import RegionError
from gazecli.pictures.regions import Region


@dataclass(frozen=True)
class ImageLayout:
    """The image tokens of one prompt, in order.

    positions: (N,) int64, where each stands in the input sequence. boxes: (N, 4) float32, the pixels of the
    ORIGINAL picture it looks at, NaN where it looks at none. picture: (N,) int64, which of the
    prompt's pictures it belongs to. length: tokens of the whole prompt. prepared: `squashed` when a picture
    was stretched to the model's square because its processor would have cropped it.
    """

    positions: torch.Tensor
    boxes: torch.Tensor
    picture: torch.Tensor
    length: int
    prepared: Literal["squashed"] | None = None

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
        columns = [self.owned(region, picture) for region in regions]
        return (
            np.stack(columns, axis=1).astype(np.float32)
            if columns
            else np.zeros((len(self.boxes), 0), np.float32)
        )

    def membership(self, regions: Sequence[Region]) -> torch.Tensor:
        """Which prompt token belongs to which region of the first picture: (length, R + 1) of 0 and 1.

        The last column marks every image token. Raises RegionError for a region without a token.
        """
        table = torch.zeros(self.length, len(regions) + 1)
        for column, region in enumerate(regions):
            table[self.tokens(region), column] = 1.0
        table[self.positions, -1] = 1.0
        return table
