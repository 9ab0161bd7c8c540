"""Regions own token cells: by centre, without sharing, and never none that overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.pictures.regions import Region

CELLS = np.array([[x * 10.0, y * 10.0, x * 10 + 10, y * 10 + 10] for y in range(4) for x in range(6)])


def owned(region: Region, cells: np.ndarray = CELLS) -> list[int]:
    return np.flatnonzero(region.owns(cells)).tolist()


def test_a_cell_belongs_where_its_centre_lies() -> None:
    assert owned(Region(1, (0, 0, 15, 10))) == [0]
    assert owned(Region(1, (0, 0, 16, 10))) == [0, 1]


def test_left_and_top_edges_are_inside_right_and_bottom_ones_are_not() -> None:
    assert owned(Region(1, (5, 5, 15, 15))) == [0]


@given(cuts=st.lists(st.floats(0.5, 59.5), min_size=1, max_size=5, unique=True))
def test_columns_that_touch_share_every_cell_out_among_them(cuts: list[float]) -> None:
    edges = [0.0, *sorted(cuts), 60.0]
    regions = [Region(n, (x0, 0, x1, 40)) for n, (x0, x1) in enumerate(pairwise(edges))]
    with_centre = [r for r in regions if any(r.box[0] <= x < r.box[2] for x in range(5, 60, 10))]
    counts = sum(region.owns(CELLS).astype(int) for region in with_centre)
    assert (counts == 1).all()


@given(x=st.floats(0, 59), y=st.floats(0, 39), width=st.floats(0.01, 60), height=st.floats(0.01, 40))
def test_a_box_inside_the_grid_always_owns_a_cell(x: float, y: float, width: float, height: float) -> None:
    region = Region(1, (x, y, min(60.0, x + width), min(40.0, y + height)))
    assert region.owns(CELLS).any()


def test_a_region_without_a_centre_takes_the_cell_it_overlaps_most() -> None:
    assert owned(Region(1, (8, 1, 11, 3))) == [0]
    assert owned(Region(1, (9, 1, 12, 3))) == [1]


def test_cells_that_look_at_nothing_belong_to_no_region() -> None:
    cells = CELLS.copy()
    cells[0] = np.nan
    assert owned(Region(1, (0, 0, 60, 40)), cells) == list(range(1, 24))
    assert owned(Region(1, (0, 0, 60, 40)), np.full((3, 4), np.nan)) == []
    assert owned(Region(1, (0, 0, 60, 40)), np.empty((0, 4))) == []


def test_a_region_out_of_reach_of_every_cell_owns_none() -> None:
    assert owned(Region(1, (100, 100, 120, 120))) == []


def masked(*boxes: tuple[int, int, int, int]) -> Region:
    mask = np.zeros((40, 60), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Region(1, box, mask)


def test_a_mask_owns_cells_whose_centre_is_white() -> None:
    assert owned(masked((0, 0, 10, 10), (50, 30, 60, 40))) == [0, 23]


def test_a_small_mask_takes_the_cell_with_most_of_its_pixels() -> None:
    assert owned(masked((8, 1, 11, 3))) == [0]
    assert owned(masked((0, 0, 2, 2), (16, 6, 20, 10))) == [1]


@given(
    spots=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 39)), min_size=1, max_size=6),
    width=st.floats(3, 30),
)
def test_the_fallback_counts_covered_mask_pixels_exactly(spots: list[tuple[int, int]], width: float) -> None:
    region = masked(*((x, y, x + 1, y + 1) for x, y in spots))
    cells = np.array([[x, 0.0, x + width, 40.0] for x in np.arange(0, 60 - width + 1e-9, width)])
    exact = [
        sum(max(0.0, min(x1, x + 1) - max(x0, x)) for x, _ in set(spots)) for x0, _, x1, _ in cells.tolist()
    ]
    assert region._overlap(cells) == pytest.approx(exact)
