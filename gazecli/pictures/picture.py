"""`Picture`: upright RGB pixels with numbered regions, from a file, a comic folder or an image."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gazecli.errors import PictureError, RegionError, UsageError
from gazecli.pictures.compose import GAP, HEIGHT, compose_strip, panel_files
from gazecli.pictures.image_files import MAX_PIXELS, Opened, check_size, decode, open_pixels, pixels_of
from gazecli.pictures.numbered_picture import numbered_picture
from gazecli.pictures.panels import find_panels, looks_like_spread, parse_panels, split_grid
from gazecli.pictures.region_specs import box_label, panel_region, parse_region, read_regions, regions_of
from gazecli.pictures.regions import Box, Region, numbered
from gazecli.results import PictureResult

_NO_REGION = "write a panel's number, x0,y0,x1,y1 in pixels, or a region of this picture"


TWO_PAGES = "two pages side by side, and is read across both: --spread reads one page after the other"


class Picture(PictureResult):
    """A picture. `image` is RGB with EXIF orientation applied; `regions` are numbered from 1.

    `path` is where it came from (`-` for standard input, None for an image in memory). `sha256` (hex)
    is of the file's bytes, or of size and pixels where there is no single file. `notes` say what was done
    to its pixels, `warnings` what may be wrong with its regions.
    """

    def __init__(
        self,
        image: Image.Image,
        regions: Sequence[Region] = (),
        path: str | None = None,
        sha256: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.image = image
        self.regions = list(regions)
        self.path = path
        self._sha256 = sha256
        self.notes = list(notes)
        self.warnings: list[str] = []

    @classmethod
    def of(cls, given: Pictured) -> Picture:
        """A picture as it is; a path, a Pillow image or an array, with its panels looked for.

        An array is uint8, (height, width) of grey or (height, width, 3 or 4) of RGB or RGBA. Raises
        PictureError for anything else, and as `open` and `from_image`.
        """
        if isinstance(given, Picture):
            return given
        if isinstance(given, str | os.PathLike):
            return cls.open(Path(given) if isinstance(given, os.PathLike) else given)
        if isinstance(given, np.ndarray):
            given = _image_of(given)
        if isinstance(given, Image.Image):
            return cls.from_image(given, panels="auto")
        raise PictureError(
            "this is not a picture",
            subject=type(given).__name__,
            hint="give a path, a Pillow image, a uint8 array (height, width, 3), or a gazecli.Picture",
            code="picture.kind",
        )

    def __repr__(self) -> str:
        counted = f"{self.panels} regions" if self.panels != 1 else "1 region"
        return f"Picture({self.name!r}, {self.width} x {self.height} pixels, {counted})"

    def _repr_png_(self) -> bytes:
        """How a notebook shows it: its regions numbered."""
        out = io.BytesIO()
        self.drawn().save(out, format="PNG")
        return out.getvalue()

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.image.height

    @property
    def panels(self) -> int:
        """How many numbered regions there are."""
        return len(self.regions)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        if self.path == "-":
            return "standard input"
        return self.path or f"a picture of {self.width} x {self.height} pixels"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of the file's bytes, or of size and pixels."""
        if self._sha256 is not None:
            return self._sha256
        pixels = f"{self.width}x{self.height}:".encode() + self.image.tobytes()
        return hashlib.sha256(pixels).hexdigest()

    def drawn(self) -> Image.Image:
        """The picture with its regions outlined and numbered, RGB, at most 2000 pixels a side."""
        return numbered_picture(self.image, self.regions)

    def crops(self) -> list[Picture]:
        """Each region as a picture of its own; what a mask leaves out is white."""
        return [Picture(_crop(self.image, region)) for region in self.regions]

    def region(self, spec: Regional, number: int = 1, box: int = 1) -> Region:
        """The region a panel's number, a spec of the command line, or four pixel numbers name.

        A region that is not one of the picture's own gets `number`, and where it is a plain box the label
        `box 1`, or of the number `box`; a `Region` is taken as it is. Raises RegionError.
        """
        if isinstance(spec, Region):
            if spec.mask is not None and spec.mask.shape != (self.height, self.width):
                high, wide = spec.mask.shape
                raise RegionError(
                    f"the region's mask is {wide} x {high} pixels",
                    subject=self.name,
                    hint=f"a mask has the picture's size, {self.width} x {self.height} pixels",
                )
            return spec
        if isinstance(spec, str):
            return parse_region(spec, self.image.size, self.regions, self.name, number, box)
        if isinstance(spec, int | Integral) and not isinstance(spec, bool):  # numpy's are no int
            return panel_region(int(spec), self.regions, self.name)
        if not isinstance(spec, Sequence | np.ndarray):
            raise RegionError("this is not a region", subject=repr(spec)[:80], hint=_NO_REGION)
        plain = {"box": list(spec), "label": box_label(box)}
        return regions_of([plain], self.width, self.height, str(spec), first=number)[0]

    def targets(
        self, specs: Sequence[Regional] = (), all_regions: bool = False, *, or_whole: bool = False
    ) -> list[Region]:
        """The regions that `specs` name, in order, or all panels; `or_whole`: the picture, if none is named.

        Raises UsageError when none is named, or both are, RegionError when one is not there.
        """
        if all_regions:
            if specs:
                raise UsageError("--region and --all-regions exclude each other", hint="keep one of them")
            if not self.regions:
                hint = "say where they are: --panels 6, --panels 2x3 or --regions FILE.json"
                raise RegionError("no panels were found", subject=self.name, hint=hint)
            return list(self.regions)
        if not specs and or_whole:
            return [replace(self.region("0%,0%,100%,100%", len(self.regions) + 1), label="picture")]
        if not specs:
            raise UsageError(
                "no region is named", hint="add --region 3, or --all-regions", code="usage.region"
            )
        named: list[Region] = []
        boxes = 1
        # Regions that are not panels get the numbers behind the panels.
        for number, spec in enumerate(specs, len(self.regions) + 1):
            named.append(self.region(spec, number, boxes))
            boxes += named[-1].label == box_label(boxes)
        return named

    @classmethod
    def open(
        cls,
        source: str | Path,
        panels: str | int = "auto",
        regions: Sequence[Box] | Path | None = None,
        rtl: bool = False,
        *,
        spread: bool = False,
        height: int = HEIGHT,
        gap: int = GAP,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """Open a picture file, `-` for standard input, or a comic folder with `p1.png … pN.png`.

        `panels` is `auto` (gutters), `6` or `2x3`; `regions` boxes, or a JSON file of them, instead.
        With `rtl` panels are read from the right, and so are the two pages of a `spread`. `height` and `gap`
        compose a folder. Raises PictureError, RegionError, ComicsError, UsageError.
        """
        check_choice(panels, regions, rtl, spread)
        name = str(source)
        if name == "-" or not os.path.isdir(source):
            picture = cls._opened(open_pixels(name, max_pixels=max_pixels), name)
            picture._divide(panels, regions, rtl, spread)
            return picture
        if parse_panels(panels) is not None or rtl or spread:
            raise UsageError(
                "a comic folder has its own panels, left to right",
                subject=name,
                hint="leave out --panels, --rtl and --spread",
            )
        files = panel_files(Path(source))
        if not files:
            raise PictureError(
                "this folder is not a comic", subject=name, hint="it needs panels p1.png, p2.png, …"
            )
        image, boxes = compose_strip(files, height, gap, max_pixels)
        picture = cls(image, numbered(boxes), name)
        if regions is not None:
            picture._divide("auto", regions)
        return picture

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        name: str | None = None,
        panels: str | int = "auto",
        regions: Sequence[Box] | Path | None = None,
        rtl: bool = False,
        *,
        spread: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """A picture from a file's bytes, called `name` in messages; as `open` otherwise. Nothing is written.

        Raises PictureError, RegionError, UsageError.
        """
        check_choice(panels, regions, rtl, spread)
        picture = cls._opened(pixels_of(data, name or "the picture", max_pixels=max_pixels), name)
        picture._divide(panels, regions, rtl, spread)
        return picture

    @classmethod
    def from_image(
        cls,
        image: Image.Image,
        regions: Sequence[Box] | Path | None = None,
        panels: str | int | None = None,
        rtl: bool = False,
        *,
        spread: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """A picture from a Pillow image of any mode; no regions unless asked for.

        Raises PictureError, RegionError, UsageError.
        """
        check_choice("auto" if panels is None else panels, regions, rtl, spread)
        check_size(*image.size, "the image", max_pixels)
        picture = cls(decode(image, "the image"))
        if panels is not None or regions is not None:
            picture._divide("auto" if panels is None else panels, regions, rtl, spread)
        return picture

    @classmethod
    def _opened(cls, opened: Opened, name: str | None) -> Picture:
        return cls(opened.image, (), name, opened.sha256, opened.notes)

    def _divide(
        self,
        panels: str | int,
        regions: Sequence[Box] | Path | None,
        rtl: bool = False,
        spread: bool = False,
    ) -> None:
        """Take the regions that are given, else an even split, else the panels between gutters."""
        size = self.image.size
        split = parse_panels(panels)
        if isinstance(regions, str | Path):
            self.regions = read_regions(Path(regions), *size)
        elif regions is not None:
            self.regions = regions_of(list(regions), *size, "regions")
        elif split is not None:
            self.regions = numbered(split_grid(*size, *split, rtl))
        else:
            boxes = find_panels(self.image, rtl, spread)
            self.regions = numbered(boxes)
            if not spread and looks_like_spread(boxes, *size):
                self.warnings.append(f"this looks like {TWO_PAGES}")


# What a person may give for a picture, and for a region of it.
Pictured = Picture | str | os.PathLike[str] | Image.Image | NDArray[Any]
Regional = Region | int | str | Sequence[float] | NDArray[Any]


def _image_of(pixels: NDArray[Any]) -> Image.Image:
    shape = pixels.shape
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] in (3, 4))):
        raise PictureError(
            "an array of this kind is not a picture",
            subject=f"{pixels.dtype}, {' x '.join(map(str, shape))}",
            hint="give uint8 from 0 to 255, of shape (height, width) or (height, width, 3 or 4)",
            code="picture.kind",
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _crop(image: Image.Image, region: Region) -> Image.Image:
    left, top, right, bottom = region.box
    box = (int(left), int(top), max(int(left) + 1, round(right)), max(int(top) + 1, round(bottom)))
    if region.mask is None:
        return image.crop(box)
    shown = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(region.mask))
    return shown.crop(box)


def check_choice(panels: str | int, regions: object, rtl: bool, spread: bool = False) -> None:
    """UsageError for regions that are given in two ways, or panels of no known form."""
    split = parse_panels(panels)
    if regions is not None and (split is not None or rtl or spread):
        raise UsageError(
            "regions are given, so panels are not searched for",
            subject=str(panels) if split is not None else "rtl" if rtl else "spread",
            hint="leave out either --regions or --panels, --rtl and --spread",
        )
    if split is not None and spread:
        raise UsageError(
            "--spread has no effect when --panels splits the picture",
            subject=str(panels),
            hint="leave out either --panels or --spread",
        )
