"""Safe opening: every kind of picture becomes RGB, everything else one clear error."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from gazecli.errors import PictureError, UsageError
from gazecli.pictures.image_files import PICTURE_SUFFIXES, hash_file, open_pixels, probe_size
from tests.pictures.drawn import noisy
from tests.pictures.refusals import check_hint


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly a pixel."""
    chunks = b"\x89PNG\r\n\x1a\n"
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", body), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return chunks


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "ppm"])
def test_common_formats_open_as_rgb_with_the_hash_of_their_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noisy(40, 30).save(path)
    opened = open_pixels(path)
    assert (opened.image.mode, opened.image.size) == ("RGB", (40, 30))
    assert opened.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == hash_file(path)
    assert probe_size(path) == (40, 30)


@pytest.mark.parametrize(
    "mode", ["L", "LA", "P", "PA", "RGBA", "CMYK", "1", "YCbCr", "I", "F", "RGBX", "HSV", "La"]
)
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    from gazecli.pictures.image_files import decode

    source = Image.new("L", (4, 3), 200)
    image = source.convert(mode) if mode not in ("PA", "La", "HSV") else Image.new(mode, (4, 3))
    assert decode(image, "it").mode == "RGB"


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert np.asarray(open_pixels(tmp_path / f"a.{suffix}").image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparency_lies_over_white_in_every_form(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 255, 255))
    clear.save(tmp_path / "rgba.png")
    clear.convert("LA").save(tmp_path / "la.png")
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=0)
    for name in ("rgba.png", "la.png", "p.png"):
        assert open_pixels(tmp_path / name).image.getpixel((0, 0)) == (255, 255, 255), name
    assert open_pixels(tmp_path / "p.png").image.getpixel((1, 0)) == (0, 0, 255)


def test_cmyk_jpegs_keep_their_colour(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 40, 40)).convert("CMYK").save(tmp_path / "a.jpg")
    pixel = open_pixels(tmp_path / "a.jpg").image.getpixel((8, 8))
    assert np.abs(np.array(pixel) - (200, 40, 40)).max() < 12


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_exif_orientation_is_applied_to_pixels_and_size(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGB", (48, 16), "white")
    image.paste((255, 0, 0), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"a.{suffix}"
    image.save(path, exif=exif)
    upright = open_pixels(path).image
    assert upright.size == (16, 48) == probe_size(path)
    red, green, _ = upright.getpixel((8, 8))
    assert red > 200
    assert green < 60


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "png"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
        assert open_pixels(tmp_path / f"a.{suffix}").image.getpixel((4, 4)) == (255, 0, 0), suffix


def test_a_picture_with_another_formats_suffix_opens(tmp_path: Path) -> None:
    noisy(8, 8).save(tmp_path / "a.jpg", format="PNG")
    assert open_pixels(tmp_path / "a.jpg").image.size == (8, 8)


@pytest.mark.parametrize("size", [(1, 1), (20000, 20)])
def test_extreme_shapes_open(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert open_pixels(tmp_path / "a.png").image.size == size


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    for width, height in ((11_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)):
        (tmp_path / "bomb.png").write_bytes(png_header(width, height))
        for opener in (open_pixels, probe_size):
            with pytest.raises(PictureError, match="pixels, more than 100000000") as caught:
                opener(tmp_path / "bomb.png")
            assert caught.value.code == "picture.too_large"
            assert "--max-pixels" in (caught.value.hint or "")


def test_the_limit_counts_pixels_exactly(tmp_path: Path) -> None:
    noisy(10, 10).save(tmp_path / "a.png")
    assert open_pixels(tmp_path / "a.png", max_pixels=100).image.size == (10, 10)
    with pytest.raises(PictureError, match="10 x 10 pixels"):
        open_pixels(tmp_path / "a.png", max_pixels=99)
    with pytest.raises(UsageError):
        open_pixels(tmp_path / "a.png", max_pixels=0)


def test_large_pictures_within_a_raised_limit_bring_no_warning(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(95_000, 1_000))
    assert probe_size(tmp_path / "a.png") == (95_000, 1_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"not a picture at all",
        b"%PDF-1.7",
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"BM",
        b"P6",
    ],
)
def test_what_is_no_picture_is_unreadable_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for opener in (open_pixels, probe_size):
        with pytest.raises(PictureError) as caught:
            opener(tmp_path / "a.png")
        assert (caught.value.code, caught.value.subject) == ("picture.unreadable", str(tmp_path / "a.png"))
        assert caught.value.hint


def test_a_missing_picture_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        open_pixels(tmp_path / "none.png")
    assert caught.value.code == "picture.missing"
    with pytest.raises(PictureError, match="a folder"):
        open_pixels(tmp_path)
    with pytest.raises(PictureError):
        open_pixels("a\0b.png")
    with pytest.raises(PictureError):
        open_pixels("x" * 5000)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "ppm"])
def test_truncated_files_are_unreadable(tmp_path: Path, suffix: str) -> None:
    noisy(64, 64).save(tmp_path / f"a.{suffix}")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError) as caught:
        open_pixels(tmp_path / f"a.{suffix}")
    assert caught.value.code == "picture.unreadable"


def encoded(suffix: str) -> bytes:
    file = io.BytesIO()
    noisy(24, 24).save(file, format=suffix)
    return file.getvalue()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM"]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_damaged_bytes_give_a_picture_or_a_picture_error(
    tmp_path: Path, suffix: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(encoded(suffix))
    for place, value in changes:
        data[place % len(data)] = value
    (tmp_path / "a").write_bytes(data)
    try:
        assert open_pixels(tmp_path / "a", max_pixels=1_000_000).image.mode == "RGB"
    except PictureError as error:
        check_hint(error)


def test_a_bitmap_whose_alpha_is_empty_is_opaque(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), (10, 200, 30, 0), dtype=np.uint8)
    header = struct.pack("<IiiHHIIiiII", 108, 6, 4, 1, 32, 3, 96, 2835, 2835, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    body = pixels[..., [2, 1, 0, 3]].tobytes()
    head = b"BM" + struct.pack("<IHHI", 14 + 108 + len(body), 0, 0, 14 + 108)
    (tmp_path / "a.bmp").write_bytes(head + header + masks + body)
    assert open_pixels(tmp_path / "a.bmp").image.getpixel((2, 2)) == (10, 200, 30)


def test_deep_grey_that_counts_from_white_is_not_negative(tmp_path: Path) -> None:
    values = np.array([[0, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.asarray(open_pixels(tmp_path / "a.tif").image)[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(("highest", "bits"), [(4095, 12), (1000, 10)])
def test_fewer_bits_in_a_file_of_sixteen_are_stretched_with_a_note(
    tmp_path: Path, highest: int, bits: int
) -> None:
    Image.fromarray(np.array([[0, highest]], dtype=np.uint16)).save(tmp_path / "a.png")
    opened = open_pixels(tmp_path / "a.png")
    assert np.asarray(opened.image)[0, 1, 0] >= 249
    assert f"use {bits} bits" in opened.notes[0]


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "pgm", "pbm", "pnm", "avif"])
def test_rarer_names_of_pictures_are_read(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    assert f".{suffix}" in PICTURE_SUFFIXES
    noisy(40, 30).convert({"pgm": "L", "pbm": "1"}.get(suffix, "RGB")).save(tmp_path / f"a.{suffix}")
    assert (
        open_pixels(tmp_path / f"a.{suffix}").image.size == (40, 30) == probe_size(tmp_path / f"a.{suffix}")
    )
