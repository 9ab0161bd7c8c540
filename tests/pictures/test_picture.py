"""`Picture`: from files, standard input, comic folders and images, with numbered regions."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gazecli.errors import ComicsError, PictureError, RegionError, UsageError
from gazecli.pictures.picture import Picture
from tests.pictures.drawn import noisy, strip_of, write_comic


def save(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def test_opening_a_strip_numbers_its_panels_in_reading_order(tmp_path: Path) -> None:
    picture = Picture.open(save(tmp_path / "a.png", strip_of([100, 120, 90], 80, 8)))
    assert [region.number for region in picture.regions] == [1, 2, 3]
    assert [region.box for region in picture.regions] == [
        (0, 0, 100, 80),
        (108, 0, 228, 80),
        (236, 0, 326, 80),
    ]
    assert (picture.width, picture.height, picture.path) == (326, 80, str(tmp_path / "a.png"))
    assert picture.sha256 == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    manga = Picture.open(tmp_path / "a.png", rtl=True)
    assert manga.regions[0].box == (236, 0, 326, 80)


def test_a_picture_without_gutters_has_no_regions(tmp_path: Path) -> None:
    picture = Picture.open(save(tmp_path / "a.png", noisy(80, 40)))
    assert picture.regions == []
    with pytest.raises(RegionError) as caught:
        picture.region(1)
    assert "--panels" in (caught.value.hint or "")


def test_panels_are_split_on_demand(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noisy(80, 40))
    assert [region.box[0] for region in Picture.open(path, panels=4).regions] == [0, 20, 40, 60]
    assert [region.box[:2] for region in Picture.open(path, panels="2x2").regions] == [
        (0, 0),
        (40, 0),
        (0, 20),
        (40, 20),
    ]
    assert Picture.open(path, panels="2", rtl=True).regions[0].box == (40, 0, 80, 40)


def test_regions_come_from_boxes_or_a_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noisy(80, 40))
    assert Picture.open(path, regions=[(0, 0, 10, 10)]).regions[0].box == (0, 0, 10, 10)
    file = tmp_path / "r.json"
    file.write_text(json.dumps([{"box": [0, 0, 10, 10], "label": "cat"}]))
    assert Picture.open(path, regions=file).regions[0].label == "cat"
    with pytest.raises(RegionError):
        Picture.open(path, regions=[(0, 0, 100, 10)])


def test_options_that_cannot_matter_together_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noisy(80, 40))
    for options in ({"panels": 2}, {"rtl": True}):
        with pytest.raises(UsageError):
            Picture.open(path, regions=[(0, 0, 10, 10)], **options)
    comic = write_comic(tmp_path / "comic", 2)
    for options in ({"panels": 2}, {"rtl": True}):
        with pytest.raises(UsageError):
            Picture.open(comic, **options)


def test_standard_input_is_a_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", strip_of([100, 120], 80, 8))
    program = (
        "from gazecli.pictures.picture import Picture; p = Picture.open('-');"
        "print(p.path, p.name, len(p.regions), p.sha256)"
    )
    with path.open("rb") as file:
        run = subprocess.run(
            [sys.executable, "-c", program], stdin=file, capture_output=True, text=True, check=True
        )
    assert run.stdout.split() == [
        "-",
        "standard",
        "input",
        "2",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    ]


def test_a_comic_folder_is_composed(tmp_path: Path) -> None:
    comic = write_comic(tmp_path / "comic", 3, size=(64, 64))
    picture = Picture.open(comic)
    assert (picture.width, picture.height, picture.path) == (768, 256, str(comic))
    assert [region.box for region in picture.regions] == [
        (0, 0, 256, 256),
        (256, 0, 512, 256),
        (512, 0, 768, 256),
    ]
    assert Picture.open(comic, height=64, gap=2).height == 64
    assert Picture.open(comic, regions=[(0, 0, 10, 10)]).regions[0].box == (0, 0, 10, 10)


def test_a_folder_without_panels_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="not a comic"):
        Picture.open(tmp_path)
    noisy(8, 8).save(tmp_path / "p2.png")
    with pytest.raises(ComicsError, match="panel 1 is missing"):
        Picture.open(tmp_path)


def test_the_size_limit_holds_for_single_pictures_and_composed_ones(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        Picture.open(save(tmp_path / "a.png", noisy(80, 40)), max_pixels=1000)
    assert caught.value.code == "picture.too_large"
    wide = write_comic(tmp_path / "comic", 1, size=(4000, 1))
    with pytest.raises(PictureError) as caught:
        Picture.open(wide, height=4096, max_pixels=10_000_000)
    assert caught.value.code == "picture.too_large"


def test_an_image_in_memory_becomes_a_picture() -> None:
    grey = Image.new("LA", (80, 40), (10, 0))
    picture = Picture.from_image(grey)
    assert (picture.image.mode, picture.regions, picture.path) == ("RGB", [], None)
    assert picture.image.getpixel((0, 0)) == (255, 255, 255)
    assert picture.sha256 == Picture.from_image(grey).sha256
    assert picture.sha256 != Picture.from_image(Image.new("RGB", (40, 80), "white")).sha256
    assert len(Picture.from_image(grey, panels=4).regions) == 4
    assert len(Picture.from_image(strip_of([90, 90], 60, 6), panels="auto").regions) == 2
    assert Picture.from_image(grey, regions=[(0, 0, 5, 5)]).regions[0].number == 1


def test_a_damaged_image_in_memory_is_unreadable(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noisy(80, 40))
    path.write_bytes(path.read_bytes()[:200])
    with Image.open(path) as lazy, pytest.raises(PictureError):
        Picture.from_image(lazy)
