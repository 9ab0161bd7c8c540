"""Pictures of every sad kind: seen rightly, or refused in one line before anything is loaded."""

from __future__ import annotations

import io
import json
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazecli.errors import GazeError
from gazecli.pictures.image_files import open_pixels
from tests.pictures.drawn import noisy
from tests.pictures.test_image_files import png_header
from tests.trust.conftest import Gaze, error_of


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noisy(60, 180), "JPEG", exif=exif)


def sixteen_bit() -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 65536, (60, 180), np.uint16)), "PNG")


def palette() -> bytes:
    image = noisy(180, 60).convert("P")
    return encoded(image, "PNG", transparency=bytes(range(256)))


def animated() -> bytes:
    frames = [noisy(180, 60).convert("P") for _ in range(3)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


GOOD: dict[str, Callable[[], bytes]] = {
    "a JPEG named PNG": lambda: encoded(noisy(180, 60), "JPEG"),
    "CMYK": lambda: encoded(noisy(180, 60).convert("CMYK"), "JPEG"),
    "sixteen bits": sixteen_bit,
    "palette with alpha": palette,
    "animated": animated,
    "turned by EXIF": rotated,
    "grey with alpha": lambda: encoded(noisy(180, 60).convert("LA"), "PNG"),
    "one bit": lambda: encoded(noisy(180, 60).convert("1"), "PNG"),
    "floating point": lambda: encoded(noisy(180, 60).convert("F"), "TIFF"),
}


def long_text_chunk() -> bytes:
    """A PNG with a compressed comment that unpacks to 64 MB."""
    body = b"Comment\0\0" + zlib.compress(b"\0" * (64 << 20))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    whole = encoded(noisy(30, 30), "PNG")
    return whole[:33] + chunk + whole[33:]


def half(form: str) -> Callable[[], bytes]:
    return lambda: (lambda whole: whole[: len(whole) // 2])(encoded(noisy(180, 60), form))


def damaged_tiff(compression: str) -> Callable[[], bytes]:
    def damaged() -> bytes:
        whole = bytearray(encoded(noisy(180, 60), "TIFF", compression=compression))
        for place in range(60, len(whole) // 2, 7):
            whole[place] ^= 0x5A
        return bytes(whole)

    return damaged


BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"not a picture\n" * 30,
    "a bomb by its header": lambda: png_header(30_000, 30_000),
    "wider than anything": lambda: png_header(2**31 - 1, 1),
    "no pixels": lambda: png_header(0, 10),
    "a huge comment": long_text_chunk,
    "a page of HTML": lambda: b"<html><img src=x onerror=alert(1)></html>",
    "half a PNG": half("PNG"),
    "half a JPEG": half("JPEG"),
    "half a GIF": half("GIF"),
    "half a WebP": half("WEBP"),
    "half a BMP": half("BMP"),
    "half a TIFF": half("TIFF"),
    "half a PPM": half("PPM"),
    "a TIFF with damaged LZW": damaged_tiff("tiff_lzw"),
    "a TIFF with damaged deflate": damaged_tiff("tiff_adobe_deflate"),
    "a TIFF of group 4": lambda: encoded(noisy(180, 60).convert("1"), "TIFF", compression="group4")[:200],
}


@pytest.mark.parametrize("kind", GOOD)
def test_sad_but_whole_pictures_are_steered(gaze: Gaze, known: str, tmp_path: Path, kind: str) -> None:
    del known
    (tmp_path / "picture.png").write_bytes(GOOD[kind]())
    call = ("--panels", 3, "--region", 2, "--max-new-tokens", 1, "--no-baseline")
    ran = gaze("steer", tmp_path / "picture.png", *call)
    document = ran.document("steer")
    assert (document["picture"]["width"], document["picture"]["height"]) == (180, 60)
    # Noise is no comic strip, and `tiny` says so.
    assert [line for line in ran.err.splitlines() if "tiny is a toy" not in line] == []


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_bad_pictures_are_one_line_and_nothing_is_loaded(
    gaze: Gaze, known: str, tmp_path: Path, kind: str, way: str
) -> None:
    data = BAD[kind]()
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    source = str(path) if way == "file" else "-"
    call = ("--panels", 3, "--region", 2, "--heads", known, "--model", "no/such", "--json")
    began = time.monotonic()
    error = error_of(gaze("steer", source, *call, stdin=data if way == "pipe" else b""))
    assert error["code"] in {"picture.unreadable", "picture.too_large"}, error
    assert error["subject"] == source
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["1x1", "20000x20"])
def test_extreme_shapes_are_looked_at_or_refused(gaze: Gaze, known: str, tmp_path: Path, kind: str) -> None:
    del known
    width, height = map(int, kind.split("x"))
    Image.new("RGB", (width, height), "red").save(tmp_path / "p.png")
    call = ("--region", "0%,0%,100%,100%", "--max-new-tokens", 1)
    ran = gaze("steer", tmp_path / "p.png", *call, "--json")
    *said, last = ran.err.splitlines() or [""]
    assert [line for line in said if "tiny is a toy" not in line] == []
    if ran.code:
        assert json.loads(last)["error"]["code"] not in ("gaze.failed", "gaze.unexpected")


def test_the_limit_is_that_of_max_pixels(gaze: Gaze, known: str, strip: Path) -> None:
    call = ("--panels", 3, "--region", 2, "--heads", known, "--model", "no/such", "--json")
    pixels = 168 * 56
    assert error_of(gaze("steer", strip, *call, "--max-pixels", pixels - 1))["code"] == "picture.too_large"
    assert error_of(gaze("steer", strip, *call, "--max-pixels", pixels))["code"] == "model.absent"


def test_masks_regions_and_panels_of_folders_are_bounded_alike(
    gaze: Gaze, known: str, strip: Path, tmp_path: Path
) -> None:
    del known
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    assert "mask" in error_of(gaze("steer", strip, "--region", f"@{tmp_path}/bomb.png", "--json"))["message"]
    comic = tmp_path / "comic"
    comic.mkdir()
    for number in (1, 2):
        (comic / f"p{number}.png").write_bytes(png_header(60_000, 60_000))
    assert error_of(gaze("steer", comic, "--region", 1, "--json"))["code"] == "picture.too_large"
    Image.new("RGB", (9000, 1)).save(comic / "p1.png")
    Image.new("RGB", (9000, 1)).save(comic / "p2.png")
    assert error_of(gaze("steer", comic, "--region", 1, "--json"))["code"] == "picture.too_large"


def test_a_picture_that_is_a_folder_a_device_or_nowhere_is_named(
    gaze: Gaze, known: str, tmp_path: Path
) -> None:
    del known
    for source in (tmp_path, "/dev/null", tmp_path / "none.png", "a\udcff.png"):
        assert error_of(gaze("steer", source, "--region", 1, "--json"))["hint"]


def test_damaged_tiffs_say_nothing_on_their_own(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    rng = np.random.default_rng(5)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "group3"):
        image = noisy(64, 64) if compression != "group3" else noisy(64, 64).convert("1")
        whole = encoded(image, "TIFF", compression=compression)
        for _ in range(40):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 12):
                data[place] = rng.integers(0, 256)
            path.write_bytes(bytes(data))
            try:
                open_pixels(path, max_pixels=10**6)
            except GazeError:
                continue
    assert capfd.readouterr() == ("", "")
