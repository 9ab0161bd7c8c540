"""Where a processed picture lies over the original one: padding, resizing and cropping as pixel intervals.

Knows nothing of processors.
"""

from __future__ import annotations

from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One direction of a processed picture: `pixels` of it stretch from `start` to `stop` of the original.

    start and stop may stick out of the original, where there is padding.
    """

    pixels: int
    start: float
    stop: float

    def resized(self, pixels: int) -> Axis:
        """The same interval in another number of pixels."""
        return Axis(pixels, self.start, self.stop)

    def cut(self, first: int, pixels: int) -> Axis:
        """`pixels` from `first` on; a negative `first` pads."""
        return Axis(pixels, self.at(first), self.at(first + pixels))

    def centred(self, pixels: int) -> Axis:
        """The middle `pixels`, cropped or padded as transformers does it."""
        spare = self.pixels - pixels
        return self.cut(spare // 2 if spare >= 0 else -(-spare // 2), pixels)

    def at(self, pixel: float) -> float:
        """The place in the original of a place in the processed picture."""
        return self.start + (self.stop - self.start) * pixel / self.pixels

    def cells(self, patch: int, tile: int | None = None) -> list[Interval]:
        """Whole patches of each tile (of the one tile there is); what is left over at its end is unseen."""
        tile = self.pixels if tile is None else tile
        starts = [first + i * patch for first in range(0, self.pixels, tile) for i in range(tile // patch)]
        return [(self.at(start), self.at(start + patch)) for start in starts]


def whole(pixels: int) -> Axis:
    """The original itself."""
    return Axis(pixels, 0.0, float(pixels))
