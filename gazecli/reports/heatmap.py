"""Where heads look, painted over the picture with Pillow.

Knows nothing of models; it takes weights and the boxes they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from gazecli.pictures.regions import Box

Floats = npt.NDArray[np.floating]

LONGEST_SIDE = 1600
_CAPTION_HEIGHT = 26
_MARGIN = 8
# Magma's path from dark to light: also readable in grey and by the colour-blind.
_PATH = np.array(
    [(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], dtype=np.float64
)


@dataclass(frozen=True)
class Glance:
    """One look at the picture: weights (N,) of the image tokens, a caption, the target's box if any."""

    weights: Floats
    caption: str
    target: Box | None = None


def heatmap_image(image: Image.Image, boxes: Floats, glances: Sequence[Glance]) -> Image.Image:
    """The picture once for each glance, one under the other: RGB.

    boxes: (N, 4) pixels of the picture each token looks at, NaN where it looks at none.
    """
    scale = min(1.0, LONGEST_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    ratio = np.array([size[0] / image.width, size[1] / image.height] * 2)
    densities = [density(glance.weights, boxes * ratio, size) for glance in glances]
    peak = max((float(each.max()) for each in densities), default=0.0)
    width = size[0] + 2 * _MARGIN
    step = size[1] + _CAPTION_HEIGHT + _MARGIN
    sheet = Image.new("RGB", (width, step * len(glances) + _MARGIN), "white")
    font = ImageFont.load_default(15)
    for row, (glance, each) in enumerate(zip(glances, densities, strict=True)):
        top = _MARGIN + row * step
        pen = ImageDraw.Draw(sheet)
        pen.text((_MARGIN, top + 2), _fitting(glance.caption, font, size[0]), fill=(20, 20, 20), font=font)
        sheet.paste(_overlaid(small, each / peak if peak > 0 else each), (_MARGIN, top + _CAPTION_HEIGHT))
        if glance.target is not None:
            edges = np.array(glance.target) * ratio + np.array([_MARGIN, top + _CAPTION_HEIGHT] * 2)
            pen.rectangle([float(edge) for edge in edges - (0, 0, 1, 1)], outline=(0, 158, 115), width=3)
    return sheet


def density(weights: Floats, boxes: Floats, size: tuple[int, int]) -> Floats:
    """Weight per pixel: (N,) weights spread over their boxes, (height, width). `size` is (width, height)."""
    width, height = size
    field = np.zeros((height, width))
    for weight, (x0, y0, x1, y1) in zip(weights, boxes, strict=True):
        if np.isnan(x0):
            continue
        left, right = np.clip([round(x0), max(round(x1), round(x0) + 1)], 0, width)
        upper, lower = np.clip([round(y0), max(round(y1), round(y0) + 1)], 0, height)
        area = (right - left) * (lower - upper)
        if area > 0:
            field[upper:lower, left:right] += weight / area
    return field


def _overlaid(image: Image.Image, strength: Floats) -> Image.Image:
    """`strength` (H, W) from 0 to 1 over a pale picture; a square root lifts what is faint."""
    lifted = np.sqrt(np.clip(strength, 0.0, 1.0))[..., None]  # (H, W, 1)
    places = lifted[..., 0] * (len(_PATH) - 1)
    lower = np.minimum(places.astype(np.intp), len(_PATH) - 2)
    share = (places - lower)[..., None]
    heat = _PATH[lower] * (1 - share) + _PATH[lower + 1] * share
    pixels = np.asarray(image, dtype=np.float64)
    grey = pixels.mean(-1, keepdims=True)
    pale = 0.5 * pixels + 0.5 * grey
    mixed = pale * (0.6 - 0.1 * lifted) + heat * (0.1 + 0.4 * lifted)
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    line = "".join(c if 32 <= ord(c) < 0x250 and ord(c) != 127 else " " for c in text)
    line = " ".join(line.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + " ...") > width:
        line = line[:-1]
    return line + " ..."
