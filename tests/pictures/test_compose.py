"""Strips composed of single panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazecli.errors import PictureError, UsageError
from gazecli.pictures.compose import compose_strip, panel_files


def write(folder: Path, *sizes: tuple[int, int]) -> list[Path]:
    for number, size in enumerate(sizes, start=1):
        Image.new("RGB", size, "blue").save(folder / f"p{number}.png")
    return panel_files(folder)


def test_widths_follow_the_height_in_steps_of_32(tmp_path: Path) -> None:
    strip, boxes = compose_strip(write(tmp_path, (100, 100), (50, 100), (5, 100), (150, 100)), height=256)
    assert strip.size == (256 + 128 + 32 + 384, 256)
    assert boxes == [(0, 0, 256, 256), (256, 0, 384, 256), (384, 0, 416, 256), (416, 0, 800, 256)]


@pytest.mark.parametrize("gap", [0, 1, 5, 6])
def test_a_white_gap_of_that_many_pixels_lies_on_each_seam(tmp_path: Path, gap: int) -> None:
    strip, _ = compose_strip(write(tmp_path, (64, 64), (64, 64)), height=64, gap=gap)
    white = (np.asarray(strip) == 255).all(axis=(0, 2))
    assert np.flatnonzero(white).tolist() == list(range(64 - gap // 2, 64 - gap // 2 + gap))


def test_a_gap_as_wide_as_a_panel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="narrower"):
        compose_strip(write(tmp_path, (64, 64), (8, 64)), height=64, gap=32)


@pytest.mark.parametrize(("height", "gap"), [(0, 0), (15, 0), (-1, 0), (4097, 0), (256, -1), (256, 257)])
def test_impossible_sizes_are_refused(tmp_path: Path, height: int, gap: int) -> None:
    with pytest.raises(UsageError):
        compose_strip(write(tmp_path, (64, 64)), height, gap)


def test_panels_are_numbered_and_not_sorted_as_text(tmp_path: Path) -> None:
    files = write(tmp_path, *[(8, 8)] * 11)
    assert [file.stem for file in files] == [f"p{n}" for n in range(1, 12)]
