"""Panels of a picture: equal splits and grids, the `--panels` spec, and panels found between gutters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from gazecli.errors import UsageError
from gazecli.pictures.gutters import Block, Cut, Cutter, Paper, Planes, papers
from gazecli.pictures.regions import Box
from gazecli.pictures.tilt import tilt_of, turned, turned_back

MAX_PANELS = 1000
_DETAIL = 4_000_000  # pixels beyond which gutters are looked for in a reduced copy
_FOLD_OFF = 0.03  # of the width: so far the fold of a double page may lie from the middle
_FOLD_WIDER = 1.5  # times the gaps between panels
_SURE = 1.2  # merit of a cut beyond which no other colour is tried


def parse_panels(spec: str | int) -> tuple[int, int] | None:
    """`auto` -> None; `6` -> (1, 6), equal columns; `2x3` -> (2, 3), rows x columns. Raises UsageError."""
    text = str(spec).strip().lower()
    if text == "auto":
        return None
    match = re.fullmatch(r"(?:(\d{1,4})x)?(\d{1,4})", text, re.ASCII)
    rows, columns = (int(match[1] or 1), int(match[2])) if match else (0, 0)
    if not 1 <= rows * columns <= MAX_PANELS:
        raise UsageError(
            "a picture cannot be split into panels this way",
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


def find_panels(image: Image.Image, rtl: bool = False, spread: bool = False) -> list[Box]:
    """Panels between gutters of one colour, trimmed to their content, in reading order.

    `image` is RGB; boxes are in its pixels. Rows come first, then columns, from the right with `rtl`.
    `spread`: it is two pages side by side, each read on its own. Empty when the picture is one block.
    """
    step = max(1, int(np.ceil(np.sqrt(image.width * image.height / _DETAIL))))
    pixels = np.asarray(image.reduce(step) if step > 1 else image)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    blocks = _blocks(planes, rtl, spread)
    if len(blocks) < 2:
        return []
    return [
        (
            float(left * step),
            float(top * step),
            float(min(right * step, image.width)),
            float(min(bottom * step, image.height)),
        )
        for left, top, right, bottom in blocks
    ]


def _blocks(planes: Planes, rtl: bool, spread: bool) -> list[Block]:
    found = _best_cut(planes, rtl, spread).blocks
    if len(found) == 1 and found[0] != (0, 0, planes.shape[2], planes.shape[1]):
        x0, y0, x1, y1 = found[0]  # a margin of another colour than the gutters
        inner = _best_cut(planes[:, y0:y1, x0:x1], rtl, spread).blocks
        return [(x0 + left, y0 + top, x0 + right, y0 + bottom) for left, top, right, bottom in inner]
    return found


def _best_cut(planes: Planes, rtl: bool, spread: bool) -> Cut:
    """The most convincing cut over the colours that could be the gutters'; one block: without its margin."""
    best, around = Cut([]), None
    for paper in papers(planes):
        for tolerance in paper.tolerances:
            cut = Cutter(paper.distance, tolerance, rtl, spread).cut()
            best = max(best, cut, key=_conviction)
        if around is None or paper.edge > around.edge:
            around = paper
        if best.parts and best.merit >= _SURE:
            break
    if around is not None:
        best = max(best, _upright_cut(around, rtl, spread), key=_conviction)
    return best if best.parts or len(best.blocks) == 1 else Cut([])


def _upright_cut(paper: Paper, rtl: bool, spread: bool) -> Cut:
    """The cut of a page that lies turned, in the page as it is; no blocks where it does not."""
    tilt = tilt_of(paper.distance > paper.tolerance)
    if not tilt:
        return Cut([])
    height, width = paper.distance.shape
    cut = Cutter(turned(paper.distance, tilt), paper.tolerance, rtl, spread).cut()
    return Cut([turned_back(block, tilt, width, height) for block in cut.blocks], cut.merit)


def _conviction(cut: Cut) -> tuple[bool, float]:
    return cut.parts, cut.merit


def looks_like_spread(boxes: Sequence[Box], width: int, height: int) -> bool:
    """Whether panels of a picture wider than high lie on two pages side by side.

    Then a gap parts them in the middle that is wider than any other, and each half has several rows.
    """
    left = [box for box in boxes if box[2] <= width * (0.5 + _FOLD_OFF)]
    right = [box for box in boxes if box[0] >= width * (0.5 - _FOLD_OFF)]
    if width <= height or len(left) + len(right) != len(boxes):
        return False
    if any(len({box[1] for box in half}) < 2 for half in (left, right)):
        return False
    start, end = max(box[2] for box in left), min(box[0] for box in right)
    others = [gap for half in (left, right) for gap in _gaps(half)]
    in_the_middle = abs((start + end) / 2 - width / 2) <= width * _FOLD_OFF
    return in_the_middle and end - start >= _FOLD_WIDER * max(others, default=1.0)


def _gaps(boxes: Sequence[Box]) -> Iterator[float]:
    """From each panel to the next one to its right."""
    for box in boxes:
        beside = [o[0] - box[2] for o in boxes if o[0] >= box[2] and o[1] < box[3] and box[1] < o[3]]
        if beside:
            yield min(beside)
