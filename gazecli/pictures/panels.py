"""Panels of a picture: equal splits and grids, the `--panels` spec, and the recursive cut along gutters.

A gutter is a straight line of one colour across a block of pixels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gazecli.errors import UsageError
from gazecli.pictures.regions import Box

Colour = tuple[int, int, int]
Block = tuple[int, int, int, int]  # x0, y0, x1, y1

MAX_PANELS = 1000
_MIN_GUTTER = 2  # pixels
_MIN_SIDE = 0.03  # of the geometric mean of the picture's sides
_COLOURS = 4  # that are tried, of each kind of line
# How much a gutter's pixels vary along it: in exact pictures, and under heavy JPEG noise. Painted art has
# many lines of the second kind, which must not crowd out a single gutter of the first.
_LINE_SPREADS = (10, 110)
_STRAIGHT = 0.4  # of a block's side: an edge so filled is a panel's edge and not that of a figure
_RAGGED_SHARE = 0.04  # of the picture's area: smaller blocks without a straight edge are titles and numbers

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


def split_grid(width: int, height: int, rows: int, columns: int, rtl: bool = False) -> list[Box]:
    """An equal grid in reading order, rows then columns, those from the right with `rtl`.

    Raises UsageError when pixels are too few.
    """
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
        cuts = [cut_along_gutters(distance, tolerance, rtl) for tolerance in _TOLERANCES]
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


def gutter_colours(planes: NDArray[np.uint8]) -> list[Colour]:
    """Colours of the lines that run across the whole picture, [3, H, W]; the likeliest gutters first.

    A gutter's colour comes back in line after line, a panel's plain ground in one place: what counts is
    in how many places a colour stands, not how many lines it fills.
    """
    candidates: dict[Colour, Colour] = {}  # by shade
    for spread in _LINE_SPREADS:
        lines: dict[Colour, list[Colour]] = {}
        places: Counter[Colour] = Counter()
        for axis in (1, 2):
            before, last = None, -2
            for index, (red, green, blue) in _even_lines(planes, axis, spread):
                shade = (red // 32, green // 32, blue // 32)
                places[shade] += shade != before or index != last + 1
                lines.setdefault(shade, []).append((red, green, blue))
                before, last = shade, index
        for shade, _ in places.most_common(_COLOURS):
            candidates.setdefault(shade, _typical(lines[shade]))
    return list(candidates.values())


def distance_from(planes: NDArray[np.uint8], colour: Colour) -> NDArray[np.uint8]:
    """How far each pixel lies from a colour, its worst channel: [3, H, W] -> [H, W], 0..255."""
    distance = np.zeros(planes.shape[1:], dtype=np.uint8)
    for plane, value in zip(planes, colour, strict=True):
        level = np.uint8(value)
        np.maximum(distance, np.maximum(plane, level) - np.minimum(plane, level), out=distance)
    return distance


def _even_lines(planes: NDArray[np.uint8], axis: int, spread: int) -> Iterator[tuple[int, Colour]]:
    """Place and colour of the columns (axis 1) or rows (axis 2) that vary by at most `spread`."""
    ranges = planes.max(axis=axis) - planes.min(axis=axis)  # (3, lines)
    even = np.flatnonzero(ranges.max(axis=0) <= spread)
    if not even.size:
        return
    step = max(1, planes.shape[axis] // 64)
    sample = planes[:, ::step] if axis == 1 else planes[:, :, ::step].swapaxes(1, 2)  # (3, samples, lines)
    colours = np.median(sample[:, :, even], axis=1).round().astype(int).T  # (even lines, 3)
    yield from zip(even.tolist(), colours.tolist(), strict=True)


def _typical(colours: list[Colour]) -> Colour:
    """The commonest colour where one stands out, as in exact pictures; under noise the middle one."""
    commonest, count = Counter(map(tuple, colours)).most_common(1)[0]
    if count * 4 < len(colours):
        commonest = tuple(np.median(np.array(colours), axis=0).round().astype(int).tolist())
    red, green, blue = commonest
    return red, green, blue


def cut_along_gutters(distance: NDArray[np.uint8], tolerance: int, rtl: bool) -> list[Block]:
    """Blocks between gutters, trimmed, in reading order.

    `distance` is how far each pixel lies from the gutters' colour, [H, W]; a gutter's pixels lie within
    `tolerance`. Specks are dropped.
    """
    height, width = distance.shape
    area = height * width
    cutter = _Cutter(distance, tolerance, max(4, round(_MIN_SIDE * area**0.5)), rtl)
    blocks = list(cutter.cut((0, 0, width, height)))
    shares = [size / area for size in _areas(blocks)]
    return [
        block
        for block, share in zip(blocks, shares, strict=True)
        if share >= _RAGGED_SHARE or (share >= _PANEL_SHARE and cutter.has_straight_edge(block))
    ]


class _Cutter:
    """The recursive cut of one picture: rows, then columns, until no gutter is left."""

    def __init__(self, distance: NDArray[np.uint8], tolerance: int, side: int, rtl: bool) -> None:
        self.distance = distance  # (H, W): how far each pixel is from the gutter's colour
        self.tolerance = tolerance
        self.mean_tolerance = min(tolerance, 4 + tolerance / 7)
        self.side = side
        self.rtl = rtl

    def cut(self, block: Block) -> Iterator[Block]:
        """Trimmed leaves of a block in reading order."""
        x0, y0, x1, y1 = block
        rows = self._pieces(block, rows=True)
        if not rows:
            return
        if len(rows) > 1:
            for top, bottom in rows:
                yield from self.cut((x0, y0 + top, x1, y0 + bottom))
            return
        y0, y1 = y0 + rows[0][0], y0 + rows[0][1]
        columns = self._pieces((x0, y0, x1, y1), rows=False)
        if len(columns) > 1:
            for left, right in reversed(columns) if self.rtl else columns:
                yield from self.cut((x0 + left, y0, x0 + right, y1))
            return
        for left, right in columns:
            trimmed = (x0 + left, y0, x0 + right, y1)
            if trimmed == block:
                yield block
            else:
                yield from self.cut(trimmed)

    def has_straight_edge(self, block: Block) -> bool:
        """Whether at least one side of a block is filled along its length."""
        x0, y0, x1, y1 = block
        content = self.distance[y0:y1, x0:x1] > self.tolerance
        edges = (content[:2], content[-2:], content.T[:2], content.T[-2:])
        return any(float(edge.any(axis=0).mean()) >= _STRAIGHT for edge in edges)

    def _pieces(self, block: Block, rows: bool) -> list[tuple[int, int]]:
        """Runs of content lines between gutters across the block, as (start, end) from the block's edge."""
        x0, y0, x1, y1 = block
        lines = self.distance[y0:y1, x0:x1] if rows else self.distance[y0:y1, x0:x1].T  # (lines, length)
        gutter = lines.max(axis=1) <= self.tolerance
        gutter[gutter] = lines[gutter].mean(axis=1) <= self.mean_tolerance
        edges = np.flatnonzero(np.diff(np.concatenate(([False], ~gutter, [False])).astype(np.int8)))
        pieces: list[tuple[int, int]] = []
        for start, end in edges.reshape(-1, 2).tolist():
            if pieces and not self._parted(lines, pieces[-1], (start, end)):
                pieces[-1] = (pieces[-1][0], end)
            else:
                pieces.append((start, end))
        return [piece for piece in pieces if piece[1] - piece[0] >= self.side]

    def _parted(self, lines: NDArray[np.uint8], before: tuple[int, int], after: tuple[int, int]) -> bool:
        """Whether the gap between two runs is a gutter: wide enough, and a straight edge on one side.

        Without the edge, figures that stand apart on a plain ground would be cut from each other.
        """
        if after[0] - before[1] < _MIN_GUTTER:
            return False
        last = lines[max(before[1] - 2, before[0]) : before[1]]
        first = lines[after[0] : min(after[0] + 2, after[1])]
        return any(float((edge > self.tolerance).any(axis=0).mean()) >= _STRAIGHT for edge in (last, first))
