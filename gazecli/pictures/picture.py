"""`Picture`: upright RGB pixels with numbered regions, from a file, a comic folder or an image."""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from PIL import Image

from gazecli.errors import PictureError, RegionError, UsageError
from gazecli.pictures.compose import GAP, HEIGHT, compose_strip, panel_files
from gazecli.pictures.image_files import MAX_PIXELS, check_size, decode, open_pixels, pixels_of
from gazecli.pictures.panels import find_panels, parse_panels, split_grid
from gazecli.pictures.region_specs import panel_region, parse_region, read_regions, regions_of
from gazecli.pictures.regions import Box, Region, numbered


class Picture:
    """A picture. `image` is RGB with EXIF orientation applied; `regions` are numbered from 1.

    `path` is where it came from (`-` for standard input, None for an image in memory). `sha256` (hex)
    is of the file's bytes, or of size and pixels where there is no single file.
    """

    def __init__(
        self,
        image: Image.Image,
        regions: Sequence[Region] = (),
        path: str | None = None,
        sha256: str | None = None,
    ) -> None:
        self.image = image
        self.regions = list(regions)
        self.path = path
        self._sha256 = sha256

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.image.height

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

    def region(self, spec: int | str | Sequence[float], number: int = 1) -> Region:
        """The region a panel's number, a spec of the command line, or four pixel numbers name.

        A region that is not one of the picture's own gets `number`. Raises RegionError.
        """
        if isinstance(spec, str):
            return parse_region(spec, self.image.size, self.regions, self.name, number)
        if isinstance(spec, int):
            return panel_region(spec, self.regions, self.name)
        return regions_of([list(spec)], self.width, self.height, str(spec), first=number)[0]

    def targets(
        self, specs: Sequence[int | str] = (), all_regions: bool = False, *, or_whole: bool = False
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
        # Regions that are not panels get the numbers behind the panels.
        return [self.region(spec, number) for number, spec in enumerate(specs, len(self.regions) + 1)]

    @classmethod
    def open(
        cls,
        source: str | Path,
        panels: str | int = "auto",
        regions: Sequence[Box] | Path | None = None,
        rtl: bool = False,
        *,
        height: int = HEIGHT,
        gap: int = GAP,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """Open a picture file, `-` for standard input, or a comic folder with `p1.png … pN.png`.

        `panels` is `auto` (gutters), `6` or `2x3`; `regions` boxes, or a JSON file of them, instead.
        `height` and `gap` compose a folder. Raises PictureError, RegionError, ComicsError, UsageError.
        """
        check_choice(panels, regions, rtl)
        name = str(source)
        if name == "-" or not os.path.isdir(source):
            opened = open_pixels(name, max_pixels=max_pixels)
            return cls(opened.image, _regions(opened.image, panels, regions, rtl), name, opened.sha256)
        if parse_panels(panels) is not None or rtl:
            raise UsageError(
                "a comic folder has its own panels, left to right",
                subject=name,
                hint="leave out --panels and --rtl",
            )
        files = panel_files(Path(source))
        if not files:
            raise PictureError(
                "this folder is no comic", subject=name, hint="it needs panels p1.png, p2.png, …"
            )
        image, boxes = compose_strip(files, height, gap, max_pixels)
        return cls(image, numbered(boxes) if regions is None else _regions(image, "auto", regions), name)

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        name: str,
        panels: str | int = "auto",
        regions: Sequence[Box] | None = None,
        rtl: bool = False,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """A picture from a file's bytes, called `name`; as `open` otherwise, and nothing is written.

        Raises PictureError, RegionError, UsageError.
        """
        check_choice(panels, regions, rtl)
        opened = pixels_of(data, name, max_pixels=max_pixels)
        return cls(opened.image, _regions(opened.image, panels, regions, rtl), name, opened.sha256)

    @classmethod
    def from_image(
        cls,
        image: Image.Image,
        regions: Sequence[Box] | Path | None = None,
        panels: str | int | None = None,
        rtl: bool = False,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> Picture:
        """A picture from a Pillow image of any mode; no regions unless asked for.

        Raises PictureError, RegionError, UsageError.
        """
        check_choice("auto" if panels is None else panels, regions, rtl)
        check_size(*image.size, "the image", max_pixels)
        pixels = decode(image, "the image")
        wanted = panels is not None or regions is not None
        return cls(pixels, _regions(pixels, panels or "auto", regions, rtl) if wanted else [])


def check_choice(panels: str | int, regions: object, rtl: bool) -> None:
    """UsageError for regions that are given in two ways, or panels of no known form."""
    split = parse_panels(panels)
    if regions is not None and (split is not None or rtl):
        raise UsageError(
            "regions are given, so panels are not looked for",
            subject=str(panels) if split is not None else "rtl",
            hint="leave out either --regions or --panels and --rtl",
        )


def _regions(
    image: Image.Image, panels: str | int, regions: Sequence[Box] | Path | None, rtl: bool = False
) -> list[Region]:
    if isinstance(regions, str | Path):
        return read_regions(Path(regions), *image.size)
    if regions is not None:
        return regions_of(list(regions), *image.size, "regions")
    split = parse_panels(panels)
    return numbered(find_panels(image, rtl) if split is None else split_grid(*image.size, *split, rtl))
