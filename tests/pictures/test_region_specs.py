"""The region spec language: what it means, and that every mistake is a RegionError with a hint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gazecli.errors import RegionError
from gazecli.pictures.picture import Picture
from tests.pictures.refusals import check_hint

PICTURE = Picture.from_image(Image.new("RGB", (360, 56)), panels=6)
PLAIN = Picture.from_image(Image.new("RGB", (360, 56)))


def refused(spec: int | str, picture: Picture = PICTURE) -> RegionError:
    with pytest.raises(RegionError) as caught:
        picture.region(spec)
    assert caught.value.hint, spec
    assert caught.value.exit_code == 2
    return caught.value


def test_a_number_is_a_panel_counted_from_one() -> None:
    assert PICTURE.region("3") is PICTURE.region(3) is PICTURE.regions[2]
    assert PICTURE.region(" 6 ").box == (300, 0, 360, 56)


@pytest.mark.parametrize("spec", ["0", "7", "-1", "+9", "99999999999999999999", "9" * 6000])
def test_a_number_that_is_no_panel_is_refused_with_the_range(spec: str) -> None:
    assert refused(spec).hint == "choose 1 to 6"


def test_a_number_without_panels_points_to_the_panels_option() -> None:
    for spec in (1, "1"):
        assert "--panels" in (refused(spec, PLAIN).hint or "")


def test_boxes_are_pixels_or_percentages() -> None:
    assert PICTURE.region("10,5,100.5,50").box == (10, 5, 100.5, 50)
    assert PICTURE.region("10%, 25%, 50%, 100%").box == (36, 14, 180, 56)
    assert PICTURE.region((10, 5, 100, 50), number=4).number == 4
    assert PICTURE.region(np.array([10, 5, 100, 50], dtype=np.float32).tolist()).box == (10, 5, 100, 50)


def test_half_a_pixel_of_rounding_is_forgiven_and_cut_off() -> None:
    assert PICTURE.region("-0.5,0,360.4,56.5").box == (0, 0, 360, 56)


@pytest.mark.parametrize(
    ("word", "box"),
    [
        ("left", (0, 0, 180, 56)),
        ("RIGHT", (180, 0, 360, 56)),
        ("top", (0, 0, 360, 28)),
        ("bottom", (0, 28, 360, 56)),
        ("centre", (90, 14, 270, 42)),
        ("center", (90, 14, 270, 42)),
    ],
)
def test_words_name_halves_and_the_middle(word: str, box: tuple[float, ...]) -> None:
    assert PICTURE.region(word).box == box


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("-1,0,10,10", "outside"),
        ("0,0,361,56", "outside"),
        ("400,0,500,56", "outside"),
        ("0%,0%,101%,50%", "outside"),
        ("20,0,10,10", "reversed"),
        ("0,20,10,10", "reversed"),
        ("10,0,10,10", "empty"),
        ("0,0,-0,56", "empty"),
        ("-0.4,0,-0.1,56", "empty"),
        ("nan,0,10,10", "finite"),
        ("0,0,inf,10", "finite"),
        ("0,0,-Infinity,10", "finite"),
        ("0,0,1e999,10", "finite"),
        ("nan%,0%,10%,10%", "finite"),
        ("1,2,3", "has 3"),
        ("1,2,3,4,5", "has 5"),
        (",,,", "not a number"),
        ("1_0,0,20,20", "not a number"),
        ("٣,0,20,20", "not a number"),
        ("0x1,0,20,20", "not a number"),
        ("10%,0,20%,20", "mixes"),
        ("3.5", "not a region"),
        ("upwards", "not a region"),
        ("٣", "not a region"),
        ("", "empty"),
        ("@", "no file name"),
        ("@/nowhere/mask.png", "no such picture"),
        ("@-", "no such picture"),
    ],
)
def test_mistakes_are_named(spec: str, message: str) -> None:
    assert message in refused(spec).message


@given(spec=st.one_of(st.text(max_size=30), st.text("0123456789.,%-+eE @naif", max_size=30)))
def test_any_text_is_a_region_inside_the_picture_or_a_region_error(spec: str) -> None:
    try:
        x0, y0, x1, y1 = PICTURE.region(spec).box
    except RegionError as error:
        check_hint(error)
    else:
        assert 0 <= x0 < x1 <= 360
        assert 0 <= y0 < y1 <= 56


@given(numbers=st.lists(st.floats(), min_size=0, max_size=6))
def test_any_numbers_are_a_box_inside_the_picture_or_a_region_error(numbers: list[float]) -> None:
    for spec in (tuple(numbers), ",".join(map(repr, numbers)) or "x"):
        try:
            x0, y0, x1, y1 = PLAIN.region(spec).box
        except RegionError as error:
            check_hint(error)
        else:
            assert 0 <= x0 < x1 <= 360
            assert 0 <= y0 < y1 <= 56


def save_mask(
    path: Path, size: tuple[int, int] = (360, 56), box: tuple[int, ...] | None = (60, 0, 120, 56)
) -> str:
    mask = Image.new("L", size)
    if box:
        mask.paste(255, box)
    mask.save(path)
    return f"@{path}"


def test_white_of_a_mask_is_inside(tmp_path: Path) -> None:
    region = PICTURE.region(save_mask(tmp_path / "mask.png"), number=2)
    assert (region.number, region.box) == (2, (60, 0, 120, 56))
    assert region.mask is not None
    assert region.mask.shape == (56, 360)
    assert region.mask.sum() == 60 * 56


def test_what_is_clear_in_a_mask_is_outside(tmp_path: Path) -> None:
    mask = Image.new("RGBA", (360, 56), (255, 255, 255, 0))
    mask.paste((255, 255, 255, 255), (0, 0, 30, 56))
    mask.save(tmp_path / "mask.png")
    assert PICTURE.region(f"@{tmp_path}/mask.png").box == (0, 0, 30, 56)


def test_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    assert "larger" in refused(save_mask(tmp_path / "large.png", (400, 60))).message
    assert "180 x 56" in refused(save_mask(tmp_path / "small.png", (180, 56))).message
    assert "no white" in refused(save_mask(tmp_path / "black.png", box=None)).message
    (tmp_path / "text.png").write_text("white")
    assert "not a picture" in refused(f"@{tmp_path}/text.png").message
    assert "folder" in refused(f"@{tmp_path}").message


@given(st.floats(0, 360), st.floats(0, 56), st.floats(0.01, 500), st.integers(0, 359), st.integers(0, 55))
def test_a_circle_holds_the_pixels_whose_centres_it_holds(
    x: float, y: float, radius: float, column: int, row: int
) -> None:
    region = PICTURE.region(f"circle:{x:.6f},{y:.6f},{radius:.6f}", number=7)
    assert region.number == 7
    assert region.mask is not None
    x, y, radius = (round(value, 6) for value in (x, y, radius))
    middle = (row, column) == (min(int(y), 55), min(int(x), 359))
    inside = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= radius**2
    assert region.mask[row, column] == (inside or middle)
    x0, y0, x1, y1 = region.box
    assert not inside or (x0 <= column < x1 and y0 <= row < y1)


def test_percentages_of_a_circle_are_of_the_sides_and_of_the_shorter_one() -> None:
    assert PICTURE.region("circle:50%,50%,25%").label == "circle:180,28,14"
    assert PICTURE.region("Circle: 180, 28, 14").box == PICTURE.region("circle:50%,50%,25%").box


@pytest.mark.parametrize(
    "spec",
    ["circle:", "circle:1,2", "circle:1,2,0", "circle:1,2,-3", "circle:-1,2,3", "circle:400,2,3",
     "circle:1,2,nan", "circle:1%,2,3", "circle:1,2,3,4", "circle:a,b,c"],
)  # fmt: skip
def test_a_circle_that_is_none_is_refused(spec: str) -> None:
    refused(spec)
