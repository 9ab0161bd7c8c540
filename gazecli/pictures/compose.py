"""A strip composed of single panel pictures, and which files of a folder those are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gazecli.errors import ComicsError, PictureError, UsageError
from gazecli.pictures.image_files import (
    MAX_PIXELS,
    OTHER_SUFFIXES,
    PICTURE_SUFFIXES,
    check_size,
    is_unread,
    not_read,
    open_pixels,
)
from gazecli.pictures.regions import Box

HEIGHT = 256
GAP = 6

_STEP = 32  # panel widths are multiples of it
_MAX_HEIGHT = 4096
_PANEL_NAME = re.compile(
    rf"p(\d{{1,4}})({'|'.join(map(re.escape, sorted(PICTURE_SUFFIXES | OTHER_SUFFIXES)))})",
    re.IGNORECASE | re.ASCII,
)


def check_composition(height: int, gap: int) -> None:
    """Raise UsageError for a height or gap that no strip can have."""
    if not 16 <= height <= _MAX_HEIGHT:
        raise UsageError(
            "the panels' height is out of range", subject=str(height), hint=f"16 to {_MAX_HEIGHT} pixels"
        )
    if not 0 <= gap <= height:
        raise UsageError("the gap is out of range", subject=str(gap), hint=f"0 to {height} pixels")


def panel_files(folder: Path) -> list[Path]:
    """`p1.png … pN.png` of a comic folder in order; empty when it has none.

    Raises ComicsError: unreadable, a number missing, given twice, or only of a kind that is not read.
    """
    numbered: dict[int, Path] = {}
    try:
        found = [(match, entry) for entry in folder.iterdir() if (match := _PANEL_NAME.fullmatch(entry.name))]
        panels = sorted((int(match[1]), entry) for match, entry in found if entry.is_file())
    except OSError as error:
        raise ComicsError("the folder cannot be read", subject=str(folder), hint="check the path") from error
    for number, entry in panels:
        if is_unread(entry):
            continue
        if number in numbered:
            raise ComicsError(
                f"two files for panel {number}", subject=str(folder), hint=f"keep one of them: {entry.name}"
            )
        numbered[number] = entry
    for number, entry in panels:
        if number not in numbered:
            failure = not_read(entry)
            message = f"panel {number} is {entry.name}, and {failure.message}"
            raise ComicsError(message, subject=str(folder), hint=failure.hint)
    missing = next((number for number in range(1, len(numbered) + 1) if number not in numbered), None)
    if missing is not None:
        raise ComicsError(
            f"panel {missing} is missing", subject=str(folder), hint="number the files from p1 without gaps"
        )
    return list(numbered.values())


def compose_strip(
    files: Sequence[Path], height: int = HEIGHT, gap: int = GAP, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, list[Box]]:
    """Panels joined left to right -> the strip (RGB) and each panel's column range in it.

    Every panel is resized (Lanczos) to `height`, its width alike, rounded to a multiple of 32; a white
    gap of `gap` pixels is painted over each seam. Raises PictureError, UsageError.
    """
    check_composition(height, gap)
    panels = []
    total = 0
    for file in files:
        panel = open_pixels(file, max_pixels=max_pixels).image
        width = max(_STEP, round(panel.width * height / panel.height / _STEP) * _STEP)
        total += width
        check_size(total, height, str(file), max_pixels)
        panels.append(panel.resize((width, height), Image.Resampling.LANCZOS))
    if len(panels) > 1 and gap >= min(panel.width for panel in panels):
        raise PictureError(
            f"a panel is narrower than the gap of {gap} pixels",
            subject=str(files[0].parent),
            hint="lower --gap",
        )
    strip = Image.new("RGB", (total, height), "white")
    boxes: list[Box] = []
    left = 0
    for panel in panels:
        strip.paste(panel, (left, 0))
        if left:
            start = left - gap // 2
            strip.paste("white", (start, 0, start + gap, height))
        boxes.append((float(left), 0.0, float(left + panel.width), float(height)))
        left += panel.width
    return strip, boxes
