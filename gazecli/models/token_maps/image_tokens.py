"""`ImageLayout`: where image tokens stand in a prompt, and which pixels each looks at.

Knows nothing of families or heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
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
        owned = self._owned(region, picture)
        if not len(owned):
            box = ",".join(f"{edge:g}" for edge in region.box)
            raise RegionError(
                f"no image token looks at region {region.number}",
                subject=box,
                hint="the model's picture processor leaves this part out: let the picture be squashed "
                "(without --no-squash), or choose a larger region",
                code="region.without_token",
            )
        return owned

    def count(self, region: Region, picture: int = 0) -> int:
        """How many image tokens a region owns; none where the processor cropped it away."""
        return len(self._owned(region, picture))

    def _owned(self, region: Region, picture: int) -> torch.Tensor:
        mine = (self.picture == picture).numpy()
        owned = np.zeros(len(mine), dtype=bool)
        owned[mine] = region.owns(self.boxes.numpy()[mine])
        return self.positions[torch.from_numpy(owned)]

    def membership(
        self, regions: list[Region], picture: int = 0, *, may_be_unseen: bool = False
    ) -> torch.Tensor:
        """Which prompt token belongs to which region: (length, P + 1) of 0 and 1.

        The last column marks every image token. Raises RegionError for a region without a token, unless
        regions `may_be_unseen`.
        """
        tokens_of = self._owned if may_be_unseen else self.tokens
        table = torch.zeros(self.length, len(regions) + 1)
        for column, region in enumerate(regions):
            table[tokens_of(region, picture), column] = 1.0
        table[self.positions, -1] = 1.0
        return table
