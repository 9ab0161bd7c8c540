"""What token maps are written in: views of the original picture, which become a box for each image token.

A view is the pixel interval of every column and every row in the ORIGINAL picture. Intervals may overlap,
leave gaps or stick out; views are expanded row by row and clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Size = tuple[int, int]  # width, height
Interval = tuple[float, float]


@dataclass(frozen=True)
class View:
    """One grid of cells over the picture: column intervals `xs` and row intervals `ys` in pixels."""

    xs: Sequence[Interval]
    ys: Sequence[Interval]


@dataclass(frozen=True)
class Blind:
    """`count` image tokens that look at no pixel: newlines, class tokens, padding."""

    count: int = 1


def cells_of(view: View | Blind) -> int:
    """How many image tokens it is."""
    return view.count if isinstance(view, Blind) else len(view.xs) * len(view.ys)


# Of a processor, the inputs it made, the number of a picture in the prompt, and that picture's size.
TokenMap = Callable[[Any, Any, int, Size], list[View | Blind]]


@dataclass(frozen=True)
class Axis:
    """One direction of a processed picture: `pixels` of it stretch from `start` to `stop` of the original.

    start and stop may stick out of the original, where there is padding.
    """

    pixels: int
    start: float
    stop: float

    @classmethod
    def whole(cls, pixels: int) -> Axis:
        """The original itself."""
        return cls(pixels, 0.0, float(pixels))

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


def even(start: float, stop: float, count: int) -> list[Interval]:
    """`count` equal intervals from `start` to `stop`."""
    step = (stop - start) / count
    return [(start + i * step, start + (i + 1) * step) for i in range(count)]


def whole(size: Size, columns: int, rows: int) -> View:
    """The whole picture in equal cells."""
    return View(even(0, size[0], columns), even(0, size[1], rows))


def picture_setting(processor: Any, name: str) -> Any:
    """One effective setting of the picture processor, or None.

    What the processor class passes on in every call beats what the checkpoint's file says.
    """
    passed = processor._merge_kwargs(tokenizer_init_kwargs=processor.tokenizer.init_kwargs)["images_kwargs"]
    value = passed.get(name)
    return getattr(processor.image_processor, name, None) if value is None else value


def boxes_of(views: Sequence[View | Blind], width: int, height: int) -> torch.Tensor:
    """Expand views row by row into boxes clipped to the picture: (N, 4) float32, NaN where blind."""
    rows: list[tuple[float, float, float, float]] = []
    nothing = (float("nan"),) * 4
    for view in views:
        if isinstance(view, Blind):
            rows.extend([nothing] * view.count)
            continue
        for y0, y1 in view.ys:
            for x0, x1 in view.xs:
                box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
                rows.append(box if box[0] < box[2] and box[1] < box[3] else nothing)
    return torch.tensor(rows, dtype=torch.float32).view(-1, 4)


def unseen_margin(boxes: torch.Tensor, width: int, height: int) -> bool:
    """Whether more than half a cell at some edge of the picture is looked at by no token."""
    seeing = boxes[~boxes.isnan().any(-1)]
    if not len(seeing):
        return True
    low, high = seeing.amin(0), seeing.amax(0)
    cell = (seeing[:, 2:] - seeing[:, :2]).amax(0)
    margins = torch.cat((low[:2], torch.tensor([width, height]) - high[2:]))
    return bool((margins > cell.repeat(2) / 2).any())
