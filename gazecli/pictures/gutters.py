"""Gutters of a page: the colours they may have, how much each is disturbed, and the cut along them.

A gutter is a straight line of one colour across a block of pixels. Compression, scanning and paper disturb
that colour; how much is measured on the lines that show it. A balloon may cover part of a gutter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Block = tuple[int, int, int, int]  # x0, y0, x1, y1
Planes = NDArray[np.uint8]  # (3, H, W)
Pixel = TypeVar("Pixel", bound=np.generic)

_MIN_SIDE = 0.03  # of the geometric mean of the picture's sides
_STRAIGHT = 0.4  # of a block's side: an edge so filled is a panel's edge and not that of a figure
_RAGGED_SHARE = 0.04  # of the picture's area: smaller blocks without a straight edge are titles and numbers
_PANEL_SHARE = 0.01  # of the picture's area: smaller blocks are specks

_EXACT = 10  # levels by which pixels of a gutter may differ in a picture that was never compressed
_LOOSEST = 80
_SAMPLES = 192  # pixels of a line that are looked at to find its colour
_COLOURS = 4  # that are tried, of each kind of line
# How much a line may vary to count as even, and between which quantiles: exact pictures, under heavy JPEG
# noise, and with a part covered. Painted art has many lines of the later kinds, which must not crowd out a
# single gutter of an earlier one.
_LINES = ((10, 0.0, 1.0), (110, 0.0, 1.0), (40, 0.2, 0.8))

# What a cut gains for more panels and for paper around them, and loses for panels and gutters of unlike
# sizes, for strips too thin for a panel, and for plain blocks. Set on the pages of benchmarks/pages.py.
_MORE_PANELS, _BORDERED = 0.1, 0.2
_UNEVEN, _UNEVEN_GAPS, _THIN_STRIPS, _PLAIN = 0.15, 0.1, 0.3, 0.6
_LEAST_STRAIGHT = 0.5  # of the panels' sides, less what is drawn outside panels: else nothing was cut
_BRIDGE_FREE = 0.55  # of a gutter's length: so much is to be seen where something lies over it
_BRIDGE_PARTS = 4  # stretches that may be covered: the outlines of two balloons
_BRIDGE_SIDES = 0.8  # of what is seen: so much has panels on both sides
_BRIDGE_FREE_EACH = 0.3  # of each panel along it: else it is no gutter but the edges of two, apart


@dataclass(frozen=True)
class Paper:
    """A colour that gutters may have.

    distance: how far each pixel lies from it, (H, W). tolerances: by how much a gutter's pixels may differ,
    the likeliest in the middle. edge: the share of the picture's outermost pixels that show it.
    """

    colour: Colour
    distance: NDArray[np.uint8]
    tolerances: tuple[int, ...]
    edge: float

    @property
    def tolerance(self) -> int:
        """The likeliest of the tolerances."""
        return self.tolerances[len(self.tolerances) // 2]


@dataclass(frozen=True)
class Cut:
    """Blocks in reading order, and how convincing they are."""

    blocks: list[Block]
    merit: float = -np.inf

    @property
    def parts(self) -> bool:
        """Whether it parts the picture into panels, in a way that can be believed."""
        return len(self.blocks) > 1 and self.merit > -np.inf


def papers(planes: Planes) -> Iterator[Paper]:
    """Colours of the lines that run across the picture, the likeliest first.

    A gutter's colour comes back in line after line, a panel's plain ground in one place: what counts is
    in how many places a colour stands, not how many lines it fills.
    """
    lines: dict[Colour, list[tuple[int, int, Colour]]] = {}  # by shade: axis, place, colour
    for spread, low, high in _LINES:
        kind: dict[Colour, list[tuple[int, int, Colour]]] = {}
        places: Counter[Colour] = Counter()
        for axis in (1, 2):
            before, last = None, -2
            for index, (red, green, blue) in _even_lines(planes, axis, spread, low, high):
                shade = (red // 32, green // 32, blue // 32)
                places[shade] += shade != before or index != last + 1
                kind.setdefault(shade, []).append((axis, index, (red, green, blue)))
                before, last = shade, index
        for shade, _ in places.most_common(_COLOURS):
            lines.setdefault(shade, kind[shade])
    for found in lines.values():
        colour = _typical([each for _, _, each in found])
        distance = distance_from(planes, colour)
        samples = [
            _sampled(distance[:, place] if axis == 1 else distance[place]) for axis, place, _ in found[::3]
        ]
        noise = float(np.quantile(np.concatenate(samples), 0.98))
        measured = min(max(_EXACT, round(1.5 * noise + 6)), _LOOSEST)
        times = (1, 3, 6) if measured == _EXACT else (1, 2, 4)
        tolerances = tuple(sorted({min(factor * measured, _LOOSEST) for factor in times}))
        outermost = np.concatenate((distance[0], distance[-1], distance[:, 0], distance[:, -1]))
        yield Paper(colour, distance, tolerances, float((outermost <= measured).mean()))


def distance_from(planes: Planes, colour: Colour) -> NDArray[np.uint8]:
    """How far each pixel lies from a colour, its worst channel: [3, H, W] -> [H, W], 0..255."""
    distance = np.zeros(planes.shape[1:], dtype=np.uint8)
    for plane, value in zip(planes, colour, strict=True):
        level = np.uint8(value)
        np.maximum(distance, np.maximum(plane, level) - np.minimum(plane, level), out=distance)
    return distance


def _sampled(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return line[:: max(1, line.shape[0] // _SAMPLES)]


def _even_lines(
    planes: Planes, axis: int, spread: int, low: float, high: float
) -> Iterator[tuple[int, Colour]]:
    """Place and colour of the columns (axis 1) or rows (axis 2) that vary by at most `spread`."""
    step = max(1, planes.shape[axis] // _SAMPLES)
    sample = planes[:, ::step] if axis == 1 else planes[:, :, ::step].swapaxes(1, 2)  # (3, samples, lines)
    if (low, high) == (0.0, 1.0):
        ranges = planes.max(axis=axis) - planes.min(axis=axis)  # (3, lines)
    else:
        bounds = np.quantile(sample, (low, high), axis=1, method="nearest")
        ranges = bounds[1] - bounds[0]
    even = np.flatnonzero(ranges.max(axis=0) <= spread)
    if even.size:
        colours = np.median(sample[:, :, even], axis=1).round().astype(int).T  # (even lines, 3)
        yield from zip(even.tolist(), colours.tolist(), strict=True)


def _typical(colours: list[Colour]) -> Colour:
    """The commonest colour where one stands out, as in exact pictures; under noise the middle one."""
    commonest, count = Counter(map(tuple, colours)).most_common(1)[0]
    if count * 4 < len(colours):
        commonest = tuple(np.median(np.array(colours), axis=0).round().astype(int).tolist())
    red, green, blue = commonest
    return red, green, blue


class Cutter:
    """The recursive cut of one picture along gutters of one colour: rows, then columns, until none is left.

    `distance` is how far each pixel lies from that colour, (H, W); a gutter's pixels lie within `tolerance`.
    With `spread` the two pages are parted first; with `rtl` columns are read from the right.
    """

    def __init__(
        self, distance: NDArray[np.uint8], tolerance: int, rtl: bool = False, spread: bool = False
    ) -> None:
        self.distance = distance
        self.tolerance = tolerance
        self.mean_tolerance = min(tolerance, 4 + tolerance / 7)
        self.rtl, self.spread = rtl, spread
        height, width = distance.shape
        self.area = height * width
        self.side = max(4, round(_MIN_SIDE * self.area**0.5))
        self.content = distance > tolerance  # (H, W)
        # table[y, x]: content pixels above and left of that corner
        self.table = np.zeros((height + 1, width + 1), dtype=np.int32)
        self.content.cumsum(axis=0, dtype=np.int32, out=self.table[1:, 1:])
        self.table[1:, 1:].cumsum(axis=1, out=self.table[1:, 1:])
        # Compression blurs an edge over some pixels, so that it is looked for a little further away.
        self.depth = 2 if tolerance <= _EXACT else 4
        self.gaps: list[int] = []
        self.thin = 0  # strips of content too narrow for a panel, between panels
        self.widest_bridge = 0

    def cut(self) -> Cut:
        """The panels of the picture, trimmed, in reading order; specks are dropped."""
        found = self._cut_pages()
        if self.gaps or len(found) == 1:
            # The width of the gutters in full view says what may be one that is partly covered.
            self.widest_bridge = max(4, round(1.6 * float(np.median(self.gaps)))) if self.gaps else self.side
            self.gaps, self.thin = [], 0
            found = self._cut_pages()
        panels = [block for block in found if self._is_panel(block)]
        return Cut(panels, self._merit(panels))

    def _cut_pages(self) -> list[Block]:
        height, width = self.distance.shape
        pages: list[Block] = [(0, 0, width, height)]
        if self.spread:
            fold = self._fold(pages[0])
            pages = [(0, 0, fold, height), (fold, 0, width, height)]
        return [leaf for page in pages[:: -1 if self.rtl else 1] for leaf in self._leaves(page)]

    def _fold(self, whole: Block) -> int:
        """The middle of the free columns that are nearest to the page's middle; else the middle itself."""
        middle = whole[2] // 2
        free = _runs(self._counts(whole, rows=False) == 0)
        middles = [(start + end) // 2 for start, end in free if start > 0 and end < whole[2]]
        nearest = min(middles, key=lambda place: abs(place - middle), default=middle)
        return nearest if abs(nearest - middle) <= whole[2] // 10 else middle

    def _leaves(self, block: Block) -> Iterator[Block]:
        """Trimmed leaves of a block in reading order."""
        x0, y0, x1, y1 = block
        rows = self._pieces(block, rows=True)
        if not rows:
            return
        if len(rows) > 1:
            for top, bottom in rows:
                yield from self._leaves((x0, y0 + top, x1, y0 + bottom))
            return
        y0, y1 = y0 + rows[0][0], y0 + rows[0][1]
        columns = self._pieces((x0, y0, x1, y1), rows=False)
        if len(columns) > 1:
            for left, right in reversed(columns) if self.rtl else columns:
                yield from self._leaves((x0 + left, y0, x0 + right, y1))
            return
        for left, right in columns:
            trimmed = (x0 + left, y0, x0 + right, y1)
            if trimmed == block:
                yield block
            else:
                yield from self._leaves(trimmed)

    def _pieces(self, block: Block, rows: bool) -> list[tuple[int, int]]:
        """Runs of content lines between gutters across the block, as (start, end) from the block's edge."""
        lines = self._lines(self.distance, block, rows)
        counts = self._counts(block, rows)
        gutter = counts == 0
        gutter[gutter] = lines[gutter].mean(axis=1) <= self.mean_tolerance
        bridges = np.zeros_like(gutter)
        if self.widest_bridge:
            for start, end in self._bridges(block, rows, gutter):
                bridges[start:end] = True
        content = self._lines(self.content, block, rows)
        pieces: list[tuple[int, int]] = []
        for start, end in _runs(~(gutter | bridges)):
            if pieces and not (
                bridges[pieces[-1][1] : start].any() or self._parted(content, pieces[-1], (start, end))
            ):
                pieces[-1] = (pieces[-1][0], end)
            else:
                pieces.append((start, end))
        thin = [start for start, end in pieces if end - start < self.side]
        pieces = [piece for piece in pieces if piece[1] - piece[0] >= self.side]
        self.thin += sum(pieces[0][0] < start < pieces[-1][0] for start in thin) if pieces else 0
        self.gaps += [after[0] - before[1] for before, after in pairwise(pieces)]
        return pieces

    @staticmethod
    def _lines(pixels: NDArray[Pixel], block: Block, rows: bool) -> NDArray[Pixel]:
        """The block's rows, or its columns: (lines, length)."""
        x0, y0, x1, y1 = block
        return pixels[y0:y1, x0:x1] if rows else pixels[y0:y1, x0:x1].T

    def _counts(self, block: Block, rows: bool) -> NDArray[np.int32]:
        """Content pixels of each line of the block."""
        x0, y0, x1, y1 = block
        table = self.table if rows else self.table.T
        (start, end), (low, high) = ((y0, y1), (x0, x1)) if rows else ((x0, x1), (y0, y1))
        sums = table[start : end + 1, high] - table[start : end + 1, low]
        return np.diff(sums)

    def _parted(self, content: NDArray[np.bool_], before: tuple[int, int], after: tuple[int, int]) -> bool:
        """Whether the gap between two runs is a gutter: wide enough, and a straight edge on one side.

        Without the edge, figures that stand apart on a plain ground would be cut from each other.
        """
        last = content[max(before[1] - self.depth, before[0]) : before[1]]
        first = content[after[0] : min(after[0] + self.depth, after[1])]
        sides = sorted((_filled(last), _filled(first)))
        gap = after[0] - before[1]
        return sides[1] >= _STRAIGHT and (gap > 1 or (self.tolerance > _EXACT and sides[0] >= _BRIDGE_SIDES))

    def _bridges(self, block: Block, rows: bool, gutter: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Runs of lines that are gutters with something lying over them, such as a balloon."""
        content = self._lines(self.content, block, rows)
        # What blurred edges leave of a narrow gutter is further from its colour.
        covered = self._lines(self.distance, block, rows) > self.tolerance
        length = content.shape[1]
        end = max(2, length // 50)
        likely = (covered.sum(axis=1) <= (1 - _BRIDGE_FREE) * length) & ~gutter
        likely[likely] = ~(covered[likely, :end].any(axis=1) | covered[likely, -end:].any(axis=1))
        panels: list[tuple[int, int]] | None = None
        for start, stop in _runs(likely):
            if not 2 <= stop - start <= self.widest_bridge or start < self.side:
                continue
            if stop > content.shape[0] - self.side or gutter[start - 1] or gutter[stop]:
                continue
            hidden: NDArray[np.bool_] = np.asarray(covered[start:stop].any(axis=0))
            before = content[start - self.depth : start].any(axis=0)
            after = content[stop : stop + self.depth].any(axis=0)
            seen: NDArray[np.bool_] = np.asarray(~hidden & before & after)
            if seen.mean() < _BRIDGE_FREE or len(_runs(_closed(hidden, 3))) > _BRIDGE_PARTS:
                continue
            if panels is None:
                panels = self._panels_across(block, rows)
            if all(seen[low:high].mean() >= _BRIDGE_FREE_EACH for low, high in panels):
                yield start, stop

    def _panels_across(self, block: Block, rows: bool) -> list[tuple[int, int]]:
        """What gutters of the other direction part the block into, as far as nothing covers them."""
        before = self.widest_bridge, self.gaps, self.thin
        self.widest_bridge, self.gaps = 0, []
        pieces = self._pieces(block, not rows)
        self.widest_bridge, self.gaps, self.thin = before
        return pieces

    def _is_panel(self, block: Block) -> bool:
        share = _area(block) / self.area
        return share >= _RAGGED_SHARE or (share >= _PANEL_SHARE and max(self._edges(block)) >= _STRAIGHT)

    def _edges(self, block: Block) -> list[float]:
        """How much of each of the block's four sides is filled."""
        x0, y0, x1, y1 = block
        content, depth = self.content[y0:y1, x0:x1], self.depth
        edges = (content[:depth], content[-depth:], content.T[:depth], content.T[-depth:])
        return [_filled(edge) for edge in edges]

    def _merit(self, panels: list[Block]) -> float:
        """True gutters part panels with straight edges, of like size, and leave nothing drawn outside."""
        if not panels:
            return -np.inf
        height, width = self.distance.shape
        sides_filled = []
        for block in panels:
            at_edge = (block[1] == 0, block[3] == height, block[0] == 0, block[2] == width)
            sides = [side for side, outer in zip(self._edges(block), at_edge, strict=True) if not outer]
            sides_filled.append(sum(sides) / len(sides) if sides else 1.0)
        table = self.table
        inside = sum(
            int(table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]) for x0, y0, x1, y1 in panels
        )
        lost = 1 - inside / max(1, int(table[-1, -1]))
        areas = np.array([_area(block) for block in panels], dtype=np.float64)
        uneven = float(areas.std() / areas.mean())
        straight = sum(sides_filled) / len(sides_filled) - lost
        gaps = np.array(self.gaps, dtype=np.float64)
        if gaps.size:
            straight -= _UNEVEN_GAPS * min(1.0, float(gaps.std() / gaps.mean()))
            # Frames have white between them where gutters have nothing.
            straight -= _THIN_STRIPS * min(1.0, self.thin / gaps.size)
        if straight < _LEAST_STRAIGHT:
            return -np.inf
        border = (self.content[0], self.content[-1], self.content[:, 0], self.content[:, -1])
        bordered = sum(float(side.mean()) < 0.02 for side in border) / 4
        # Wide gaps between frames are blocks too, all of one colour.
        shades = Counter(shade for block in panels if (shade := self._shade(block)) is not None)
        alike = max(shades.values(), default=0)
        plain = alike / len(panels) if 1 < alike < len(panels) else 0.0
        more = _MORE_PANELS * float(np.log2(len(panels)))
        return straight + more + _BORDERED * bordered - _PLAIN * plain - _UNEVEN * uneven

    def _shade(self, block: Block) -> int | None:
        """The level of a block that is plain, by its distance from the gutters' colour."""
        x0, y0, x1, y1 = block
        inner = self.distance[y0 + self.depth : y1 - self.depth : 3, x0 + self.depth : x1 - self.depth : 3]
        if not inner.size or int(inner.max()) - int(inner.min()) > self.tolerance:
            return None
        return int(np.median(inner)) // 16


def _filled(edge: NDArray[np.bool_]) -> float:
    """How much of the length of some neighbouring lines, (lines, length), holds content."""
    return float(edge.any(axis=0).mean())


def _area(block: Block) -> int:
    return (block[2] - block[0]) * (block[3] - block[1])


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where stretches of True begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _closed(flags: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """The same, with stretches of False of at most `gap` filled."""
    closed = flags.copy()
    for start, end in _runs(~flags):
        if end - start <= gap and start > 0 and end < len(flags):
            closed[start:end] = True
    return closed
