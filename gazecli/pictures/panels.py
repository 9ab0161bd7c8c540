"""Panels of a picture: equal splits and grids, and the `--panels` spec; `find_panels` cuts along gutters.

What a gutter is stands in `gutters`.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gazecli.errors import UsageError
from gazecli.pictures.gutters import Block, cut_along_gutters, distance_from, gutter_colours
from gazecli.pictures.regions import Box

MAX_PANELS = 1000

_DETAIL = 25_000_000  # pixels beyond which gutters are looked for in a reduced copy
_PANEL_SHARE = 0.01  # of the picture's area: smaller blocks are specks
_COVERAGE_SLACK = 0.05
_IRREGULARITY_WEIGHT = 0.15
# How far a gutter's pixels may lie from its colour: exact pictures, mild and heavy JPEG noise.
_TOLERANCES = (10, 32, 72)


def parse_panels(spec: str | int) -> tuple[int, int] | None:
    """`auto` -> None; `6` -> (1, 6), equal columns; `2x3` -> (2, 3), rows x columns. Raises UsageError."""
    text = str(spec).strip().lower()
    if text == "auto":
        return None
    match = re.fullmatch(r"(?:(\d{1,4})x)?(\d{1,4})", text, re.ASCII)
    rows, columns = (int(match[1] or 1), int(match[2])) if match else (0, 0)
    if not 1 <= rows * columns <= MAX_PANELS:
        raise UsageError(
            "this is no way to split a picture into panels",
            subject=str(spec),
            hint=f"write auto, 6 (columns) or 2x3 (rows x columns); at most {MAX_PANELS} panels",
        )
    return rows, columns


def split_columns(width: int, height: int, count: int, rtl: bool = False) -> list[Box]:
    """`count` equal columns, from the right with `rtl`. Raises UsageError when pixels are too few."""
    return split_grid(width, height, 1, count, rtl)


def split_grid(width: int, height: int, rows: int, columns: int, rtl: bool = False) -> list[Box]:
    """An equal grid in reading order, rows then columns. Raises UsageError when pixels are too few."""
    if not (1 <= columns <= width and 1 <= rows <= height):
        raise UsageError(
            f"a picture of {width} x {height} pixels cannot be split that way",
            subject=f"{rows}x{columns}",
            hint="a panel needs at least one pixel on each side",
        )
    order = range(columns - 1, -1, -1) if rtl else range(columns)
    return [
        (
            width * column / columns,
            height * row / rows,
            width * (column + 1) / columns,
            height * (row + 1) / rows,
        )
        for row in range(rows)
        for column in order
    ]


def find_panels(image: Image.Image, rtl: bool = False) -> list[Box]:
    """Panels between gutters of one colour, trimmed to their content, in reading order.

    `image` is RGB; boxes are in its pixels. Rows come first, then columns, from the right with `rtl`.
    Empty when the picture is one block. Gutters are straight and at least two pixels wide.
    """
    step = max(1, int(np.ceil(np.sqrt(image.width * image.height / _DETAIL))))
    pixels = np.asarray(image.reduce(step) if step > 1 else image)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    x0, y0, found = 0, 0, _best_cut(planes, rtl)
    if len(found) == 1 and found[0] != (0, 0, pixels.shape[1], pixels.shape[0]):
        x0, y0, x1, y1 = found[0]  # a margin of another colour than the gutters
        found = _best_cut(planes[:, y0:y1, x0:x1], rtl)
    if len(found) < 2:
        return []
    return [
        (
            float((left + x0) * step),
            float((top + y0) * step),
            float(min((right + x0) * step, image.width)),
            float(min((bottom + y0) * step, image.height)),
        )
        for left, top, right, bottom in found
    ]


def _best_cut(planes: NDArray[np.uint8], rtl: bool) -> list[Block]:
    """The most convincing cut over the colours that could be the gutters'; one block: without its margin."""
    best: list[Block] = []
    best_merit = (False, -np.inf)
    area = planes.shape[1] * planes.shape[2]
    for colour in gutter_colours(planes):
        distance = distance_from(planes, colour)
        cuts = [cut_along_gutters(distance, tolerance, _PANEL_SHARE, rtl) for tolerance in _TOLERANCES]
        covered = max(sum(_areas(cut)) for cut in cuts) - _COVERAGE_SLACK * area
        # A cut that finds more panels is the better one, unless it finds them by losing content.
        cut = max((cut for cut in cuts if sum(_areas(cut)) >= covered), key=len)
        if cut and (merit := (len(cut) > 1, _merit(cut, area))) > best_merit:
            best, best_merit = cut, merit
    return best


def _merit(cut: list[Block], area: int) -> float:
    """True gutters leave little of the picture over, and panels of like size."""
    areas = np.array(_areas(cut), dtype=np.float64)
    return float(areas.sum() / area - _IRREGULARITY_WEIGHT * areas.std() / areas.mean())


def _areas(cut: list[Block]) -> list[int]:
    return [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in cut]
