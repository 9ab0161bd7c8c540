"""A picture with its regions drawn in, numbered: what `--region 2` means, seen at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gazecli.pictures.regions import Region

_LONGEST_SIDE = 2000  # pixels; larger pictures are shown reduced
_LINE = (213, 94, 0)


def numbered_picture(image: Image.Image, regions: Sequence[Region]) -> Image.Image:
    """The picture (RGB, at most 2000 pixels a side), an outline and a number in every region.

    What of the picture no region holds is pale; of a region with a mask, so is what lies outside the mask.
    """
    scale = min(1.0, _LONGEST_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    shown = Image.blend(small, Image.new("RGB", size, "white"), 0.6)
    ratio = np.array([size[0] / image.width, size[1] / image.height] * 2)
    edges = [np.rint(np.array(region.box) * ratio).astype(int).tolist() for region in regions]
    for region, box in zip(regions, edges, strict=True):
        part = None
        if region.mask is not None:
            part = Image.fromarray(region.mask).resize(size).crop(box).convert("L")
        shown.paste(small.crop(box), box[:2], part)
    pen = ImageDraw.Draw(shown)
    width = max(2, round(min(size) / 150))
    for region, (x0, y0, x1, y1) in zip(regions, edges, strict=True):
        pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=_LINE, width=width)
        _draw_number(pen, region.number, (x0, y0, x1, y1), max(11, round(min(size) / 12)))
    return shown


def _draw_number(pen: ImageDraw.ImageDraw, number: int, box: tuple[int, int, int, int], largest: int) -> None:
    """The number in a filled square at the region's upper left corner, as large as the region allows."""
    x0, y0, x1, y1 = box
    font = ImageFont.load_default(max(9, min(largest, (x1 - x0) // 3, (y1 - y0) // 2)))
    left, top, right, bottom = pen.textbbox((0, 0), str(number), font=font)
    padding = max(2, round((bottom - top) / 3))
    side = bottom - top + 2 * padding
    across = max(side, round(right - left + 2 * padding))
    pen.rectangle((x0, y0, x0 + across, y0 + side), fill=_LINE)
    place = (x0 + (across - (right - left)) / 2 - left, y0 + padding - top)
    pen.text(place, str(number), fill="white", font=font)
