"""Panels: found between gutters, or split evenly."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from gazecli.errors import UsageError
from gazecli.pictures.panels import find_panels, parse_panels, split_grid
from tests.pictures.drawn import Colour, noisy, strip_of


def off_by(found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> float:
    """The largest distance of an edge; infinite when the counts differ."""
    if len(found) != len(expected):
        return float("inf")
    return float(np.abs(np.array(found) - np.array(expected)).max())


def columns(widths: list[int], height: int, gap: int) -> list[tuple[float, ...]]:
    lefts = [sum(widths[:n]) + n * gap for n in range(len(widths))]
    return [(left, 0, left + width, height) for left, width in zip(lefts, widths, strict=True)]


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (250, 230, 60)])
@pytest.mark.parametrize("gap", [2, 3, 6, 20])
def test_panels_that_reach_the_edge_are_found_between_gutters(gap: int, colour: Colour) -> None:
    widths = [250, 244, 230, 250, 280, 236]
    assert off_by(find_panels(strip_of(widths, 256, gap, colour)), columns(widths, 256, gap)) == 0


def test_panels_of_one_colour_each_are_found_between_white_gutters() -> None:
    strip = Image.new("RGB", (1500, 256), "white")
    for n, colour in enumerate(["red", "blue", "green", "black", "orange", "red"]):
        strip.paste(colour, (n * 250 + 3, 0, n * 250 + 247, 256))
    strip.paste("red", (0, 0, 3, 256))
    boxes = find_panels(strip)
    assert [round((box[0] + box[2]) / 500, 1) for box in boxes] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


@pytest.mark.parametrize("quality", [40, 75, 90])
def test_jpeg_noise_hides_no_gutter(quality: int) -> None:
    widths = [250] * 6
    file = io.BytesIO()
    strip_of(widths, 256, 6).save(file, "JPEG", quality=quality)
    assert off_by(find_panels(Image.open(file).convert("RGB")), columns(widths, 256, 6)) <= 4


def test_rows_come_before_columns_and_manga_runs_from_the_right() -> None:
    page = Image.new("RGB", (420, 420), "white")
    for box in [
        (10, 10, 200, 150),
        (210, 10, 410, 150),
        (10, 160, 410, 280),
        (10, 290, 140, 410),
        (150, 290, 410, 410),
    ]:
        page.paste(noisy(box[2] - box[0], box[3] - box[1], sum(box)), box[:2])
    order = [(10, 10), (210, 10), (10, 160), (10, 290), (150, 290)]
    assert [box[:2] for box in find_panels(page)] == order
    manga = [order[1], order[0], order[2], order[4], order[3]]
    assert [box[:2] for box in find_panels(page, rtl=True)] == manga


def test_a_tall_panel_beside_two_is_one_panel() -> None:
    page = Image.new("RGB", (300, 300), "black")
    for x0, y0, x1, y1 in [(0, 0, 148, 300), (152, 0, 300, 148), (152, 152, 300, 300)]:
        page.paste(noisy(x1 - x0, y1 - y0, x0 + y0), (x0, y0))
    assert [box[:2] for box in find_panels(page)] == [(0, 0), (152, 0), (152, 152)]


def test_a_margin_may_have_another_colour_than_the_gutters() -> None:
    page = Image.new("RGB", (700, 300), (30, 60, 90))
    page.paste(strip_of([200, 200, 180], 200, 10), (50, 50))
    expected = [(50, 50, 250, 250), (260, 50, 460, 250), (470, 50, 650, 250)]
    assert off_by(find_panels(page), expected) == 0


def test_specks_and_page_numbers_are_dropped() -> None:
    page = Image.new("RGB", (640, 340), "white")
    page.paste(strip_of([190, 190, 190], 260, 15), (20, 20))
    pen = ImageDraw.Draw(page)
    pen.point([(300, 5), (218, 100), (630, 330)], fill="black")
    pen.text((310, 310), "page 12", fill="black")
    assert [box[0] for box in find_panels(page)] == [20, 225, 430]


def test_figures_on_a_ground_of_the_gutters_colour_stay_together() -> None:
    strip = strip_of([250] * 6, 256, 6)
    strip.paste("white", (512, 0, 762, 256))
    pen = ImageDraw.Draw(strip)
    pen.ellipse((530, 60, 600, 240), fill="red")
    pen.ellipse((660, 80, 740, 240), fill="blue")
    pen.text((560, 10), "Hello there!", fill="black")
    boxes = find_panels(strip)
    assert len(boxes) == 6
    assert 512 <= boxes[2][0] < boxes[2][2] <= 762


def test_a_thin_frame_keeps_a_plain_panel_whole() -> None:
    strip = strip_of([250] * 4, 256, 8)
    pen = ImageDraw.Draw(strip)
    pen.rectangle((258, 0, 507, 255), fill="white", outline="black")
    pen.rectangle((300, 100, 330, 200), fill="red")
    pen.rectangle((420, 100, 470, 200), fill="blue")
    assert off_by(find_panels(strip), columns([250] * 4, 256, 8)) == 0


@pytest.mark.parametrize("gap", [4, 10, 30])
def test_frames_around_panels_are_no_gutters(gap: int) -> None:
    strip = strip_of([250] * 6, 256, gap)
    pen = ImageDraw.Draw(strip)
    for left, top, right, bottom in columns([250] * 6, 256, gap):
        pen.rectangle((left, top, right - 1, bottom - 1), outline="black", width=2)
    assert off_by(find_panels(strip), columns([250] * 6, 256, gap)) == 0


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (300, 200), "white"),
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (20000, 20), "black"),
        noisy(300, 200),
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)),
        Image.linear_gradient("L").convert("RGB"),
    ],
)
def test_a_picture_of_one_block_has_no_panels(picture: Image.Image) -> None:
    assert find_panels(picture) == []


def test_a_single_panel_with_a_margin_has_no_panels() -> None:
    page = Image.new("RGB", (300, 200), "white")
    page.paste(noisy(200, 100), (50, 50))
    assert find_panels(page) == []


def test_a_wide_strip_is_cut_quickly() -> None:
    strip = strip_of([494] * 6, 300, 7)
    find_panels(strip)
    times = []
    for _ in range(3):
        start = time.process_time()
        assert len(find_panels(strip)) == 6
        times.append(time.process_time() - start)
    assert min(times) < 0.5


@dataclass(frozen=True)
class Grid:
    """A page drawn at random: what it looks like, and where its panels are, in reading order."""

    image: Image.Image
    boxes: list[tuple[float, ...]]


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    colour = draw(st.tuples(*[st.integers(0, 255)] * 3))
    margin, gap, row_gap = draw(st.integers(0, 15)), draw(st.integers(2, 16)), draw(st.integers(2, 16))
    flat = margin > 0 and draw(st.booleans())  # plain bands without a margin may all be gutters
    height = draw(st.lists(st.integers(50, 120), min_size=1, max_size=3))
    width = 380 if len(height) > 1 else draw(st.integers(380, 700))
    page = Image.new(
        "RGB", (width + 2 * margin, sum(height) + row_gap * (len(height) - 1) + 2 * margin), colour
    )
    boxes, top = [], margin
    for row in height:
        count = draw(st.integers(1 if len(height) > 1 else 2, 4))
        shares = np.cumsum([0, *draw(st.lists(st.integers(2, 4), min_size=count, max_size=count))])
        edges = (shares / shares[-1] * (width + gap)).round().astype(int).tolist()
        for x0, x1 in pairwise(edges):
            box = (margin + x0, top, margin + x1 - gap, top + row)
            size = (box[2] - box[0], box[3] - box[1])
            page.paste(panel(size, colour, draw(st.integers(0, 10_000)), flat), box[:2])
            boxes.append(box)
        top += row + row_gap
    return Grid(page, boxes)


def panel(size: tuple[int, int], ground: Colour, seed: int, flat: bool) -> Image.Image:
    """One colour, or blotches, everywhere at least 40 away from the ground in one channel."""
    rng = np.random.default_rng(seed)
    away = [0, 95] if ground[0] >= 128 + 12 else [ground[0] + 45, 255]
    away = [0, ground[0] - 45] if ground[0] >= 128 else away
    art = np.asarray(noisy(*size, seed)).copy()
    if flat:
        art[:] = rng.integers(0, 256, 3, dtype=np.uint8)
    low, high = away
    art[..., 0] = low + art[..., 0].astype(int) * (high - low) // 255
    return Image.fromarray(art)


@settings(max_examples=120, deadline=None)
@given(grid=grids())
def test_any_grid_with_any_gutter_is_found_again(grid: Grid) -> None:
    found = find_panels(grid.image)
    if len(grid.boxes) == 1:
        assert found == []
    else:
        assert off_by(found, grid.boxes) == 0


@given(width=st.integers(1, 4000), height=st.integers(1, 4000), data=st.data())
def test_even_splits_cover_the_picture_in_reading_order(width: int, height: int, data: st.DataObject) -> None:
    rows, count = data.draw(st.integers(1, min(height, 8))), data.draw(st.integers(1, min(width, 8)))
    boxes = split_grid(width, height, rows, count)
    assert len(boxes) == rows * count
    assert sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) == pytest.approx(width * height)
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == (width, height)
    mirrored = split_grid(width, height, rows, count, rtl=True)
    assert sorted(mirrored) == sorted(boxes)
    assert mirrored[0][2] == width


def test_columns_are_a_grid_of_one_row() -> None:
    assert split_grid(360, 56, 1, 3) == [(0, 0, 120, 56), (120, 0, 240, 56), (240, 0, 360, 56)]
    with pytest.raises(UsageError):
        split_grid(5, 5, 1, 6)


def test_the_panels_spec_is_auto_columns_or_a_grid() -> None:
    assert parse_panels("auto") is None
    assert parse_panels("6") == parse_panels(6) == (1, 6)
    assert parse_panels(" 2X3 ") == (2, 3)


@pytest.mark.parametrize(
    "spec", ["", "0", "-1", "1.5", "2x0", "x3", "2x", "2x3x4", "nan", "1001", "40x40", "٣", 10**30]
)
def test_other_panels_specs_are_refused_with_a_hint(spec: str | int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_panels(spec)
    assert caught.value.hint
