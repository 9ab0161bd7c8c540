"""Panels on pages as they are: compressed, scanned, tilted, with balloons, in columns, on double pages."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pages import KINDS, pages
from benchmarks.panels import is_right
from gazecli.errors import UsageError
from gazecli.pictures.panels import find_panels
from gazecli.pictures.picture import Picture
from tests.pictures.drawn import noisy

CASES = Path(__file__).parent / "cases"
# One page in four at most of these; docs/finding-panels.md has the rates of larger numbers.
HARD = {"no gutter, frames only", "JPEG 40 to 80", "WebP 40 to 80", "grey scans"} | {
    "black or coloured, JPEG 60 to 85"
}
EACH = 4


@pytest.mark.parametrize("kind", KINDS)
def test_panels_of_every_kind_of_page_are_found_in_reading_order(kind: str) -> None:
    wrong = [
        page
        for page in pages(EACH, [kind])
        if not is_right(page, find_panels(page.image, spread=page.spread))
    ]
    assert len(wrong) <= (1 if kind in HARD else 0)


def test_gutters_of_four_pixels_are_found_in_a_small_jpeg() -> None:
    assert Picture.open(CASES / "strip_half_q80.jpg").panels == 6


def test_white_between_panels_weighs_more_than_a_plain_floor_in_one() -> None:
    found = Picture.open(CASES / "webtoon_gap_and_floor.png").regions
    assert [region.box for region in found] == [(0, 330 * n, 400, 330 * n + 250) for n in range(5)]


def double_page(gap: int = 10, fold: int = 40) -> Image.Image:
    """Two pages of two rows and two columns, side by side."""
    side = 100
    page = Image.new("RGB", (4 * side + 2 * gap + fold + 2 * gap, 2 * side + 3 * gap), "white")
    lefts = [gap, 2 * gap + side]
    lefts += [lefts[1] + side + fold, lefts[1] + side + fold + side + gap]
    for column, left in enumerate(lefts):
        for row in range(2):
            page.paste(noisy(side, side, 4 * row + column), (left, gap + row * (side + gap)))
    return page


def places(picture: Picture) -> list[tuple[int, int]]:
    """Column and row of each panel of a double page, in reading order."""
    lefts = sorted({region.box[0] for region in picture.regions})
    tops = sorted({region.box[1] for region in picture.regions})
    return [(lefts.index(region.box[0]), tops.index(region.box[1])) for region in picture.regions]


def test_a_double_page_is_read_page_by_page_and_manga_from_the_right() -> None:
    one_by_one = Picture.from_image(double_page(), panels="auto", spread=True)
    assert places(one_by_one) == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0), (2, 1), (3, 1)]
    manga = Picture.from_image(double_page(), panels="auto", spread=True, rtl=True)
    assert places(manga) == [(3, 0), (2, 0), (3, 1), (2, 1), (1, 0), (0, 0), (1, 1), (0, 1)]


def test_a_double_page_read_across_is_warned_of_and_a_strip_is_not() -> None:
    assert "--spread" in Picture.from_image(double_page(), panels="auto").warnings[0]
    quiet = (
        Picture.from_image(double_page(), panels="auto", spread=True),
        Picture.from_image(double_page(fold=10), panels="auto"),
        Picture.open(CASES / "strip_half_q80.jpg"),
        Picture.from_image(double_page().rotate(90, expand=True), panels="auto"),
    )
    assert [picture.warnings for picture in quiet] == [[], [], [], []]


@pytest.mark.parametrize("given", [{"panels": "2x4"}, {"regions": [(0, 0, 9, 9)]}])
def test_spread_is_refused_where_panels_are_not_looked_for(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"splits the picture|regions are given") as refused:
        Picture.from_image(double_page(), spread=True, **given)
    assert "--spread" in (refused.value.hint or "")


def test_a_large_scan_is_cut_within_a_second() -> None:
    page = next(pages(1, ["JPEG 40 to 80"])).image
    scale = (24e6 / (page.width * page.height)) ** 0.5
    large = page.resize((round(page.width * scale), round(page.height * scale)))
    start = time.process_time()
    assert find_panels(large)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("seed", range(6))
def test_photographs_are_not_cut(seed: int) -> None:
    rng = random.Random(seed)
    sky = np.linspace(rng.randint(90, 160), 230, 300)[:, None, None] * np.array([0.8, 0.9, 1.0])
    noise = np.random.default_rng(seed).normal(0, 4, (300, 400, 3))
    photo = Image.fromarray((sky + noise).clip(0, 255).astype(np.uint8))
    photo.paste(noisy(400, rng.randint(80, 140), seed), (0, 190))
    assert find_panels(photo) == []


def test_regions_are_drawn_with_an_outline_and_a_number_and_the_rest_is_pale() -> None:
    picture = Picture.from_image(double_page(), panels="auto")
    drawn = np.asarray(picture.drawn()).astype(int)
    assert drawn.shape == (*picture.image.size[::-1], 3)
    for region in picture.regions:
        left, top, right, bottom = map(int, region.box)
        assert drawn[bottom - 1, right - 1].tolist() == drawn[top, left].tolist() == [213, 94, 0]
        inner = slice(top + 40, bottom - 5), slice(left + 40, right - 5)
        assert np.array_equal(drawn[inner], np.asarray(picture.image)[inner])
    whole = Picture.from_image(Image.new("RGB", (3000, 40), "black"), regions=[(10, 0, 20, 40)])
    assert whole.drawn().size == (2000, 27)
    assert whole.drawn().getpixel((1900, 20)) == (153, 153, 153)
