"""How regions are written: the specs of `--region`, and boxes in JSON (`--regions`, manifests)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gazecli.canonical import read_json
from gazecli.errors import PictureError, RegionError
from gazecli.pictures.image_files import open_pixels
from gazecli.pictures.regions import Box, Region

ROUNDING = 0.5  # pixels by which a box may poke outside before it is refused
_WORDS: dict[str, Box] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "centre": (0.25, 0.25, 0.75, 0.75),
    "center": (0.25, 0.25, 0.75, 0.75),
}
_SPECS = (
    "write a panel's number, x0,y0,x1,y1 in pixels, 10%,20%,55%,80%, circle:x,y,r, @mask.png, "
    "or left, right, top, bottom, centre"
)
# Bounded, so that a very long text is refused at once.
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?%?", re.ASCII)

_CIRCLE = "circle:"
_MAX_BYTES = 1 << 22
_MAX_REGIONS = 10_000
_FORM = 'write a list of boxes [x0, y0, x1, y1], or of {"box": [x0, y0, x1, y1], "label": "..."}'


def read_regions(path: Path, width: int, height: int) -> list[Region]:
    """Regions of a JSON file for a picture of that size, numbered from 1 in the file's order.

    Raises RegionError: unreadable, not such a list, or a box that does not fit.
    """
    entries = read_json(path, _MAX_BYTES, "the regions file", RegionError, _FORM)
    return regions_of(entries, width, height, str(path))


def regions_of(entries: object, width: int, height: int, subject: str, first: int = 1) -> list[Region]:
    """Regions of parsed JSON (or a list of boxes), numbered from `first`. Raises RegionError."""
    if not isinstance(entries, list | tuple) or not entries:
        raise RegionError("there is no list of regions", subject=subject, hint=_FORM)
    if len(entries) > _MAX_REGIONS:
        raise RegionError(f"there are more than {_MAX_REGIONS} regions", subject=subject, hint=_FORM)
    return [
        _region_of(entry, number, width, height, f"{subject} (region {number})")
        for number, entry in enumerate(entries, start=first)
    ]


def _region_of(entry: object, number: int, width: int, height: int, subject: str) -> Region:
    label: object = None
    panel: object = False
    if isinstance(entry, dict):
        label = entry.get("label")
        panel = entry.get("panel", False)
        entry = entry.get("box")
    if label is not None and not isinstance(label, str):
        raise RegionError("the label is not text", subject=subject, hint=_FORM)
    if not isinstance(panel, bool):
        hint = 'write "panel": true for a panel of a comic strip, or leave it out'
        raise RegionError("`panel` is neither true nor false", subject=subject, hint=hint)
    edges = check_box(box_numbers(entry, subject), width, height, subject)
    return Region(number, edges, label=label, panel=panel)


def box_label(count: int) -> str:
    """What the box that is named as the `count`th, from 1, is called where it has no label of its own."""
    return f"box {count}"


def box_numbers(entry: object, subject: str) -> list[float]:
    """The numbers of one box as JSON gives it, unchecked but for being numbers. Raises RegionError."""
    if not isinstance(entry, list | tuple | np.ndarray):
        raise RegionError("there is no box", subject=subject, hint=_FORM)
    return [_number(value, subject) for value in entry]


def _number(value: object, subject: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RegionError("a box has a value that is not a number", subject=subject, hint=_FORM)
    try:
        return float(value)
    except OverflowError as error:
        raise RegionError("a box needs finite numbers", subject=subject, hint=_FORM) from error


def parse_region(
    spec: str, size: tuple[int, int], regions: Sequence[Region], name: str, number: int = 1, box: int = 1
) -> Region:
    """Read one region spec for the picture `name`, of `size` (width, height) and with `regions`.

    A panel's number gives that panel's region; anything else a new region numbered `number`. A box is called
    `box 1`, or by the number `box`, a mask by its file. Raises RegionError.
    """
    text = spec.strip()
    if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        # Digits beyond what a number of panels can have name no panel, and int() refuses thousands of them.
        return panel_region(int(text) if len(text) < 20 else len(regions) + 1, regions, name)
    if text.startswith("@"):
        return _masked(text[1:], size, number)
    if text.lower().startswith(_CIRCLE):
        return _circle(text, size, number)
    if "," in text:
        return Region(number, _parse_box(text, *size), label=box_label(box))
    word = text.lower()
    if word not in _WORDS:
        what = "the region is empty" if not text else "this is not a region"
        raise RegionError(what, subject=spec, hint=_SPECS)
    x0, y0, x1, y1 = _WORDS[word]
    width, height = size
    edges = (x0 * width, y0 * height, x1 * width, y1 * height)
    return Region(number, edges, label="centre" if word == "center" else word)


def panel_region(number: int, regions: Sequence[Region], name: str) -> Region:
    """The region of that number, counted from 1, of the picture `name`; RegionError when there is none."""
    count = len(regions)
    if count == 0:
        raise RegionError(
            "the picture has no numbered panels",
            subject=str(number),
            hint="give them with --panels 6, --panels 2x3 or --regions FILE.json, or write a box",
            code="region.unknown",
        )
    for region in regions:
        if region.number == number:
            return region
    raise RegionError(
        f"the picture has no panel {number}",
        subject=name,
        hint=f"choose 1 to {count}" if count > 1 else "choose 1",
        code="region.unknown",
    )


def _parse_box(text: str, width: int, height: int) -> Box:
    values = _numbers(text, text, "a box", (width, height, width, height))
    return check_box(values, width, height, text)


def _circle(text: str, size: tuple[int, int], number: int) -> Region:
    """The pixels of the picture whose centres lie in a circle, and at least the one in its middle."""
    width, height = size
    x, y, radius = _numbers(text[len(_CIRCLE) :], text, "a circle", (width, height, min(size)))
    limits = f"the picture is {width} x {height} pixels: x from 0 to {width}, y from 0 to {height}"
    if not (0 <= x <= width and 0 <= y <= height):
        raise RegionError("the centre of the circle is outside the picture", subject=text, hint=limits)
    if not radius > 0:
        raise RegionError("the circle is empty", subject=text, hint="write circle:x,y,r with r above 0")
    top, left = max(0, math.floor(y - radius)), max(0, math.floor(x - radius))
    rows, columns = np.ogrid[top : min(height, y + radius + 1), left : min(width, x + radius + 1)]
    mask = np.zeros((height, width), np.bool_)
    inside = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    mask[min(int(y), height - 1), min(int(x), width - 1)] = True
    return Region(number, _bounds(mask), mask, label=f"circle:{x:g},{y:g},{radius:g}")


def _numbers(text: str, subject: str, what: str, whole: Sequence[float]) -> list[float]:
    """The numbers of a spec, in pixels; percentages are of `whole`. Raises RegionError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(whole):
        wanted = {4: "four", 3: "three"}[len(whole)]
        raise RegionError(f"{what} has {wanted} numbers, this has {len(parts)}", subject=subject, hint=_SPECS)
    for part in parts:
        if re.fullmatch(r"[+-]?(nan|inf|infinity)%?", part.lower()):
            raise RegionError(f"{what} needs finite numbers", subject=subject, hint=_SPECS)
        if not _NUMBER.fullmatch(part):
            raise RegionError(f"{part!r} is not a number", subject=subject, hint=_SPECS)
    percent = [part.endswith("%") for part in parts]
    if any(percent) and not all(percent):
        raise RegionError(
            f"{what.replace('a ', 'the ')} mixes pixels and percentages",
            subject=subject,
            hint="write all numbers with %, or none",
        )
    values = [float(part.rstrip("%")) for part in parts]
    return [value / 100 * side for value, side in zip(values, whole, strict=True)] if all(percent) else values


def _masked(name: str, size: tuple[int, int], number: int) -> Region:
    subject = f"@{name}"
    if not name:
        raise RegionError("the mask has no file name", subject=subject, hint="write @mask.png")
    needed = f"a mask has the picture's size, {size[0]} x {size[1]} pixels"
    try:
        opened = open_pixels(Path(name), max_pixels=size[0] * size[1], backdrop="black")
    except PictureError as error:
        what, hint = f"the mask cannot be used, {error.message}", error.hint
        if error.code == "picture.too_large":
            what, hint = "the mask is larger than the picture", needed
        raise RegionError(what, subject=subject, hint=hint) from error
    if opened.image.size != size:
        width, height = opened.image.size
        raise RegionError(f"the mask is {width} x {height} pixels", subject=subject, hint=needed)
    mask = np.asarray(np.asarray(opened.image.convert("L")) >= 128)
    if not mask.any():
        raise RegionError(
            "the mask has no white pixel", subject=subject, hint="white is inside, black outside"
        )
    return Region(number, _bounds(mask), mask, label=Path(name).name)


def _bounds(mask: NDArray[np.bool_]) -> Box:
    """The box around what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1


def check_box(values: Sequence[float], width: int, height: int, subject: str) -> Box:
    """Four numbers -> a box inside a picture of `width` x `height` pixels.

    Raises RegionError: not four finite numbers, reversed, empty, or outside by more than half a pixel.
    """
    if len(values) != 4:
        raise RegionError(f"a box has four numbers, this has {len(values)}", subject=subject, hint=_SPECS)
    x0, y0, x1, y1 = values
    if not all(math.isfinite(value) for value in values):
        raise RegionError("a box needs finite numbers", subject=subject, hint=_SPECS)
    if x1 < x0 or y1 < y0:
        raise RegionError(
            "the box is reversed", subject=subject, hint="write x0,y0,x1,y1 with x0 < x1 and y0 < y1"
        )
    limits = f"the picture is {width} x {height} pixels: x from 0 to {width}, y from 0 to {height}"
    if x0 < -ROUNDING or y0 < -ROUNDING or x1 > width + ROUNDING or y1 > height + ROUNDING:
        raise RegionError("the box reaches outside the picture", subject=subject, hint=limits)
    box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise RegionError("the box is empty", subject=subject, hint=limits)
    return box
