"""Regions of a picture: boxes and masks in its pixels, which token cells they own, and their spec language.

Knows nothing of what the pixels show, nor of how panels are found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gazecli.errors import PictureError, RegionError
from gazecli.pictures.opening import open_pixels

if TYPE_CHECKING:
    from gazecli.pictures.picture import Picture

Box = tuple[float, float, float, float]

ROUNDING = 0.5  # pixels by which a box may poke outside before it is refused

_WORDS: dict[str, Box] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "centre": (0.25, 0.25, 0.75, 0.75),
    "center": (0.25, 0.25, 0.75, 0.75),
}
_SPECS = (
    "write a panel's number, x0,y0,x1,y1 in pixels, 10%,20%,55%,80%, @mask.png, "
    "or left, right, top, bottom, centre"
)
# Bounded, so that a very long text is refused at once.
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?%?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Region:
    """A numbered part of a picture.

    `box` is x0, y0, x1, y1 in pixels of the original picture; `mask`, where given, is bool
    [height, width] of the picture and `box` is its bounding box.
    """

    number: int
    box: Box
    mask: NDArray[np.bool_] | None = None
    label: str | None = None

    def owns(self, boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which token cells belong to this region: float [N, 4] in pixels -> bool [N].

        A cell belongs where its centre lies; right and bottom edges are open, so neighbours share no
        cell. Where no centre lies inside, the one cell that overlaps most. Cells with NaN never.
        """
        cells = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(cells).all(axis=1))
        cells = np.where(seen[:, None], cells, -1.0)
        centre_x, centre_y = (cells[:, 0] + cells[:, 2]) / 2, (cells[:, 1] + cells[:, 3]) / 2
        owned = np.asarray(seen & self._contains(centre_x, centre_y))
        if not owned.any() and seen.any():
            overlap = np.where(seen, self._overlap(cells), 0.0)
            best = int(overlap.argmax())
            owned[best] = overlap[best] > 0
        return owned

    def _contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        x0, y0, x1, y1 = self.box
        inside: NDArray[np.bool_] = np.asarray((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
        if self.mask is not None:
            inside[inside] = self.mask[y[inside].astype(np.intp), x[inside].astype(np.intp)]
        return inside

    def _overlap(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Square pixels each cell shares with the region: [N, 4] -> [N]."""
        x0, y0, x1, y1 = self.box
        left, right = np.clip(cells[:, 0], x0, x1), np.clip(cells[:, 2], x0, x1)
        top, bottom = np.clip(cells[:, 1], y0, y1), np.clip(cells[:, 3], y0, y1)
        if self.mask is None:
            return np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
        inner = self.mask[int(y0) : int(y1), int(x0) : int(x1)]
        summed = np.zeros((inner.shape[0] + 1, inner.shape[1] + 1))
        summed[1:, 1:] = inner.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
        left, right, top, bottom = left - x0, right - x0, top - y0, bottom - y0
        covered = (
            _interpolate(summed, bottom, right)
            - _interpolate(summed, top, right)
            - _interpolate(summed, bottom, left)
            + _interpolate(summed, top, left)
        )
        return np.where((right > left) & (bottom > top), covered, 0.0)


def check_box(values: Sequence[float], width: int, height: int, subject: str) -> Box:
    """Four numbers -> a box inside a picture of `width` x `height` pixels.

    Raises RegionError: not four finite numbers, reversed, empty, or outside by more than half a pixel.
    """
    if len(values) != 4:
        raise RegionError(f"a box has four numbers, this has {len(values)}", subject=subject, hint=_SPECS)
    x0, y0, x1, y1 = values
    if not all(math.isfinite(value) for value in values):
        raise RegionError("a box needs finite numbers", subject=subject, hint=_SPECS)
    if x1 < x0 or y1 < y0:
        raise RegionError(
            "the box is reversed", subject=subject, hint="write x0,y0,x1,y1 with x0 < x1 and y0 < y1"
        )
    limits = f"the picture is {width} x {height} pixels: x from 0 to {width}, y from 0 to {height}"
    if x0 < -ROUNDING or y0 < -ROUNDING or x1 > width + ROUNDING or y1 > height + ROUNDING:
        raise RegionError("the box reaches outside the picture", subject=subject, hint=limits)
    box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise RegionError("the box is empty", subject=subject, hint=limits)
    return box


def parse_region(spec: str, picture: Picture, number: int = 1) -> Region:
    """Read one region spec of the command line for this picture.

    A panel's number gives that panel's region; anything else a new region numbered `number`.
    Raises RegionError.
    """
    text = spec.strip()
    if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        # Digits beyond what a number of panels can have name no panel, and int() refuses thousands of them.
        return panel_region(int(text) if len(text) < 20 else len(picture.regions) + 1, picture)
    if text.startswith("@"):
        return _masked(text[1:], picture, number)
    if "," in text:
        return Region(number, _parse_box(text, picture.width, picture.height))
    word = text.lower()
    if word not in _WORDS:
        what = "the region is empty" if not text else "this is no region"
        raise RegionError(what, subject=spec, hint=_SPECS)
    x0, y0, x1, y1 = _WORDS[word]
    box = (x0 * picture.width, y0 * picture.height, x1 * picture.width, y1 * picture.height)
    return Region(number, box, label="centre" if word == "center" else word)


def panel_region(number: int, picture: Picture) -> Region:
    """The picture's own region of that number, counted from 1. Raises RegionError when there is none."""
    count = len(picture.regions)
    if count == 0:
        raise RegionError(
            "the picture has no numbered panels",
            subject=str(number),
            hint="give them with --panels 6, --panels 2x3 or --regions FILE.json, or write a box",
            code="region.unknown",
        )
    for region in picture.regions:
        if region.number == number:
            return region
    raise RegionError(
        f"the picture has no panel {number}",
        subject=picture.name,
        hint=f"choose 1 to {count}" if count > 1 else "choose 1",
        code="region.unknown",
    )


def _parse_box(text: str, width: int, height: int) -> Box:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4:
        raise RegionError(f"a box has four numbers, this has {len(parts)}", subject=text, hint=_SPECS)
    for part in parts:
        if re.fullmatch(r"[+-]?(nan|inf|infinity)%?", part.lower()):
            raise RegionError("a box needs finite numbers", subject=text, hint=_SPECS)
        if not _NUMBER.fullmatch(part):
            raise RegionError(f"{part!r} is not a number", subject=text, hint=_SPECS)
    percent = [part.endswith("%") for part in parts]
    if any(percent) and not all(percent):
        raise RegionError(
            "the box mixes pixels and percentages",
            subject=text,
            hint="write all four numbers with %, or none",
        )
    values = [float(part.rstrip("%")) for part in parts]
    if all(percent):
        values = [value / 100 * side for value, side in zip(values, (width, height) * 2, strict=True)]
    return check_box(values, width, height, text)


def _masked(name: str, picture: Picture, number: int) -> Region:
    subject = f"@{name}"
    if not name:
        raise RegionError("the mask has no file name", subject=subject, hint="write @mask.png")
    try:
        opened = open_pixels(Path(name), max_pixels=picture.width * picture.height, backdrop="black")
    except PictureError as error:
        if error.code == "picture.too_large":
            raise RegionError(
                "the mask is larger than the picture", subject=subject, hint=_mask_hint(picture)
            ) from error
        raise RegionError(
            f"the mask cannot be used, {error.message}", subject=subject, hint=error.hint
        ) from error
    if opened.image.size != (picture.width, picture.height):
        width, height = opened.image.size
        raise RegionError(f"the mask is {width} x {height} pixels", subject=subject, hint=_mask_hint(picture))
    mask = np.asarray(np.asarray(opened.image.convert("L")) >= 128)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise RegionError(
            "the mask has no white pixel", subject=subject, hint="white is inside, black outside"
        )
    box = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
    return Region(number, box, mask)


def _mask_hint(picture: Picture) -> str:
    return f"a mask has the picture's size, {picture.width} x {picture.height} pixels"


def _interpolate(
    table: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear look-up in a summed-area table, which makes areas of fractional cells exact."""
    row = np.minimum(y.astype(np.intp), table.shape[0] - 2)
    column = np.minimum(x.astype(np.intp), table.shape[1] - 2)
    down, across = y - row, x - column
    upper = table[row, column] * (1 - across) + table[row, column + 1] * across
    lower = table[row + 1, column] * (1 - across) + table[row + 1, column + 1] * across
    interpolated: NDArray[np.float64] = upper * (1 - down) + lower * down
    return interpolated
