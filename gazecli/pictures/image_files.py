"""Safe opening: untrusted bytes become 8-bit RGB pixels, or a `PictureError`.

Only a few well-trodden decoders are used, and the size in the header is checked before any pixel is
decoded.
"""

from __future__ import annotations

import ctypes
import hashlib
import stat
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from PIL import Image, ImageOps, features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from gazecli.errors import PictureError, UsageError
from gazecli.pictures.regions import Box

MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30
_JPEG = {".jpg", ".jpeg", ".jfif", ".jpe"}
_NETPBM = {".ppm", ".pgm", ".pbm", ".pnm"}
_AVIF = {".avif"} if features.check("avif") else set()
PICTURE_SUFFIXES = frozenset({".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", *_JPEG, *_NETPBM, *_AVIF})
# Names of pictures that are not read, so that a folder's listing can say so.
OTHER_SUFFIXES = (
    frozenset(
        {".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".svg", ".ico", ".tga", ".exr", ".hdr"}
        | {".dds", ".xcf", ".eps", ".pcx", ".dng", ".cr2", ".nef", ".arw", ".apng"}
    )
    - PICTURE_SUFFIXES
)

# Decoders are called by their own classes: Image.open would try more formats, and warns about large
# pictures on a channel of its own that cannot be silenced without touching other threads.
_DECODERS: tuple[tuple[bytes, Callable[[IO[bytes]], ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"RIFF", WebPImageFile),
    (b"GIF8", GifImageFile),
    (b"BM", BmpImageFile),
    (b"II", TiffImageFile),
    (b"MM\x00", TiffImageFile),
    *((b"P%d" % kind, PpmImageFile) for kind in range(1, 7)),
)
_DAMAGED_METADATA = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
)
# Formats whose writers often leave the alpha channel empty: a picture of nothing is meant to be seen.
_UNSURE_ALPHA = ("BMP", "DIB", "TIFF")
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_READABLE = "give a PNG, JPEG, WebP, GIF, BMP, TIFF or PPM picture"


Seen = TypeVar("Seen")


@dataclass(frozen=True, eq=False)
class Opened:
    """Decoded pixels (mode RGB), the SHA-256 (hex) of the bytes they came from, and what was done to them."""

    image: Image.Image
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stored:
    """Width and height of the pixels as they lie in a file, and the EXIF orientation, 1 (upright) to 8."""

    width: int
    height: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as the picture is meant to be seen."""
        return (self.height, self.width) if self.orientation in _ON_ITS_SIDE else (self.width, self.height)

    def turned(self, box: Box) -> Box:
        """A box in the file's pixels -> the same box in the upright picture."""
        x0, y0, x1, y1 = box
        across, down = (self.width - x1, self.width - x0), (self.height - y1, self.height - y0)
        left_right, top_bottom = {
            2: (across, (y0, y1)),
            3: (across, down),
            4: ((x0, x1), down),
            5: ((y0, y1), (x0, x1)),
            6: (down, (x0, x1)),
            7: (down, across),
            8: ((y0, y1), across),
        }.get(self.orientation, ((x0, x1), (y0, y1)))
        return left_right[0], top_bottom[0], left_right[1], top_bottom[1]


def open_pixels(source: str | Path, *, max_pixels: int = MAX_PIXELS, backdrop: str = "white") -> Opened:
    """Read and decode one picture file; the text `-` is standard input.

    Orientation from EXIF is applied, the first frame of an animation taken, transparency laid over
    `backdrop`. Raises PictureError: missing, unreadable, or more than `max_pixels` pixels.
    """
    return pixels_of(_read(source), str(source), max_pixels=max_pixels, backdrop=backdrop)


def pixels_of(data: bytes, subject: str, *, max_pixels: int = MAX_PIXELS, backdrop: str = "white") -> Opened:
    """As `open_pixels`, of a file's bytes; `subject` is what to call it. Raises PictureError."""
    if not data:
        raise PictureError("the picture file is empty", subject=subject, hint=_READABLE)
    image = _open_header(BytesIO(data), subject, max_pixels)
    rgb = decode(image, subject, backdrop)
    bits = _bits_used(image)
    notes = (f"{subject}: its 16-bit values use {bits} bits and were stretched",) if bits < 16 else ()
    return Opened(rgb, hashlib.sha256(data).hexdigest(), notes)


def probe_size(path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height as the header gives them, EXIF orientation applied.

    A PNG without orientation in front of its pixels is decoded, as it may stand behind them. Raises
    PictureError: missing, not a picture, or more than `max_pixels` pixels.
    """
    return _probe(path, max_pixels, _turned_size)


def picture_format(data: bytes, subject: str) -> str:
    """`PNG`, `JPEG`, …: the format of an encoded picture, all of which is decoded.

    Raises PictureError as `open_pixels` does.
    """
    image = _open_header(BytesIO(data), subject, MAX_PIXELS)
    decode(image, subject)
    return str(image.format)


def probe_stored(path: Path) -> Stored:
    """How the pixels lie in the file. Raises PictureError as `probe_size`."""
    return _probe(path, MAX_PIXELS, _stored)


def check_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> None:
    """Look at nothing but the header. Raises PictureError as `probe_size` does."""
    _probe(path, max_pixels, lambda image: image.size)


def hash_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes. Raises PictureError when it cannot be read."""
    _check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(str(path), error) from error


def decode(image: Image.Image, subject: str, backdrop: str = "white") -> Image.Image:
    """An image of any mode -> a plain RGB image, upright. Raises PictureError when decoding fails."""
    try:
        image.load()
        upright = _upright(image)
        rgb = _as_rgb(upright, backdrop, image.format)
        if _is_white_zero(image):
            rgb = ImageOps.invert(rgb)
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise _unreadable(subject, error) from error
    rgb.info = {}
    return rgb


def is_unread(name: str | Path) -> bool:
    """Whether a file's name is that of a picture of a kind that is not read."""
    return Path(name).suffix.lower() in OTHER_SUFFIXES


def not_read(name: str | Path) -> PictureError:
    """The error for such a file."""
    suffix = Path(name).suffix
    return PictureError(f"{suffix} pictures are not read", subject=str(name), hint="save it as PNG or JPEG")


def check_size(width: int, height: int, subject: str, max_pixels: int) -> None:
    """Raise PictureError for a picture without pixels or with more than `max_pixels`."""
    if max_pixels < 1:
        raise UsageError(
            "the largest number of pixels must be at least 1",
            subject=str(max_pixels),
            hint="leave it out for 100 million",
        )
    if width < 1 or height < 1:
        raise PictureError("the picture has no pixels", subject=subject, hint=_READABLE)
    if width * height > max_pixels:
        raise PictureError(
            f"the picture has {width} x {height} pixels, more than {max_pixels}",
            subject=subject,
            hint="make it smaller, or raise --max-pixels if you trust it",
            code="picture.too_large",
        )


def _read(source: str | Path) -> bytes:
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
        else:
            _check_file(Path(source))
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(str(source), error) from error
    if len(data) > MAX_BYTES:
        raise PictureError(
            f"the picture file is larger than {MAX_BYTES} bytes",
            subject=str(source),
            hint="make it smaller",
            code="picture.too_large",
        )
    return data


def _probe(path: Path, max_pixels: int, seen: Callable[[ImageFile], Seen]) -> Seen:
    _check_file(path)
    try:
        with path.open("rb") as file:
            return seen(_open_header(file, str(path), max_pixels))
    except PictureError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise _unreadable(str(path), error) from error


def _check_file(path: Path) -> None:
    subject = str(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PictureError(
            "there is no such picture", subject=subject, hint="check the path", code="picture.missing"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(subject, error) from error
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device"
        raise PictureError(f"this is {kind}, not a picture file", subject=subject, hint=_READABLE)


def _open_header(file: IO[bytes], subject: str, max_pixels: int) -> ImageFile:
    head = file.read(16)
    file.seek(0)
    decoder = next((decoder for magic, decoder in _DECODERS if head.startswith(magic)), None)
    if head[4:12] in (b"ftypavif", b"ftypavis") and _AVIF:
        from PIL.AvifImagePlugin import AvifImageFile

        decoder = AvifImageFile
    if decoder is None and is_unread(subject):
        raise not_read(subject)
    if decoder is None:
        raise PictureError("this is not a picture of a known format", subject=subject, hint=_READABLE)
    if decoder is TiffImageFile:
        silence_libtiff()
    try:
        image = decoder(file)
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise _unreadable(subject, error) from error
    check_size(*image.size, subject, max_pixels)
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGED_METADATA:  # the pixels can still be read
        return image


def _stored(image: Image.Image) -> Stored:
    try:
        orientation = image.getexif().get(0x0112, 1)
    except _DAMAGED_METADATA:  # the pixels can still be read
        orientation = 1
    width, height = image.size
    if isinstance(image, TiffImageFile) and orientation in _ON_ITS_SIDE:  # its own reader turns the size
        width, height = height, width
    return Stored(width, height, orientation if orientation in range(1, 9) else 1)


def _turned_size(image: Image.Image) -> tuple[int, int]:
    return _stored(image).upright


def _as_rgb(image: Image.Image, backdrop: str, form: str | None) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _eight_bit(image).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        cutout = image.convert("RGBA")
        if form in _UNSURE_ALPHA and cutout.getchannel("A").getextrema() == (0, 0):
            return cutout.convert("RGB")
        canvas = Image.new("RGBA", image.size, backdrop)
        return Image.alpha_composite(canvas, cutout).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Deep grey scaled to 8 bits: 16-bit by its range of bits, anything else by the range it uses."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, float(2 ** _bits_of(high) - 1)
    scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _bits_used(image: Image.Image) -> int:
    """How many bits the values of a 16-bit grey picture need, 16 for any other."""
    if not image.mode.startswith("I"):
        return 16
    low, high = image.getextrema()
    return _bits_of(high) if isinstance(low, int | float) and low >= 0 and not isinstance(high, tuple) else 16


def _bits_of(highest: float) -> int:
    """10 or 12 where cameras and scanners that count so far may have stopped, else 16."""
    return next((bits for bits in (10, 12) if 255 < highest < 2**bits), 16)


def _is_white_zero(image: Image.Image) -> bool:
    """Whether deep grey of a TIFF counts from white down; Pillow turns pictures of 8 bits itself."""
    return isinstance(image, TiffImageFile) and image.mode.startswith("I") and image.tag_v2.get(262) == 0


def _unreadable(subject: str, error: Exception) -> PictureError:
    if isinstance(error, PermissionError):
        return PictureError(
            "no permission to read the picture", subject=subject, hint="check its permissions"
        )
    if isinstance(error, MemoryError):
        return PictureError("not enough memory for the picture", subject=subject, hint="make it smaller")
    return PictureError(
        "the picture is damaged or not a picture",
        subject=subject,
        hint="open it in an image viewer and save it again as PNG",
    )


@cache
def silence_libtiff() -> None:
    """Take libtiff's printing handlers away, for this process; nothing happens where it cannot be reached."""
    with suppress(ImportError, OSError, AttributeError, TypeError):
        # Symbols are looked up in Pillow's own library and in those it brought, whatever their files' names.
        library = ctypes.CDLL(import_module("PIL._imaging").__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
