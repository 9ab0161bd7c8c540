"""Heatmaps of attention: the picture in full colour where the attention is, pale where it is not.

A line surrounds the smallest part of the picture that holds half of the attention. Both read in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from gazecli.pictures.regions import Box

if TYPE_CHECKING:
    from gazecli.steering.steer import Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Span, Tracking

Floats = npt.NDArray[np.floating]

LONGEST_SIDE = 1600
_CAPTION_HEIGHT = 26
_MARGIN = 8
_PALEST = 0.82  # how far what gets no attention fades to white
_LINE = (213, 94, 0)
_HALF = 0.5
_LEGEND = "full colour: most attention; line: half of the attention lies inside"


@dataclass(frozen=True)
class AttentionMap:
    """Attention on one picture: weights (N,) of the image tokens, a caption, the target's box if any."""

    weights: Floats
    caption: str
    target: Box | None = None


def heatmap_image(image: Image.Image, boxes: Floats, maps: Sequence[AttentionMap]) -> Image.Image:
    """The picture once for each map, one under the other: RGB.

    boxes: (N, 4) pixels of the picture each token covers, NaN where it covers none.
    """
    small = shrunk(image, LONGEST_SIDE)
    size = small.size
    ratio = np.array([size[0] / image.width, size[1] / image.height] * 2)
    densities = [density(each.weights, boxes * ratio, size) for each in maps]
    peak = max((float(each.max()) for each in densities), default=0.0)
    width = size[0] + 2 * _MARGIN
    step = size[1] + _CAPTION_HEIGHT + _MARGIN
    sheet = Image.new("RGB", (width, step * len(maps) + _CAPTION_HEIGHT), "white")
    font = ImageFont.load_default(15)
    for row, (shown, field) in enumerate(zip(maps, densities, strict=True)):
        top = _MARGIN + row * step
        pen = ImageDraw.Draw(sheet)
        pen.text((_MARGIN, top + 2), _fitting(shown.caption, font, size[0]), fill=(20, 20, 20), font=font)
        lit = _lit(small, field / peak if peak > 0 else field)
        sheet.paste(_outlined(lit, half_of(field)), (_MARGIN, top + _CAPTION_HEIGHT))
        if shown.target is not None:
            edges = np.array(shown.target) * ratio + np.array([_MARGIN, top + _CAPTION_HEIGHT] * 2)
            pen.rectangle([float(edge) for edge in edges - (0, 0, 1, 1)], outline=(0, 0, 0), width=2)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, step * len(maps) + 3), _LEGEND, fill=(90, 90, 90), font=ImageFont.load_default(13))
    return sheet


def heatmap_of_steering(steering: Steering) -> Image.Image:
    """Attention of the steered heads at the first steered token: unsteered, then at each region."""
    maps = [AttentionMap(steering.baseline_rows.mean(0), f"unsteered: {steering.baseline or ''}")]
    maps += [
        AttentionMap(answer.rows.mean(0), f"region {answer.region.name}: {answer.text}", answer.region.box)
        for answer in steering.answers
    ]
    return heatmap_image(steering.picture.image, steering.layout.boxes.numpy(), maps)


def heatmap_of_narration(narration: Narration) -> Image.Image:
    """Mean attention of the steered heads in each segment."""
    maps = [
        AttentionMap(
            narration.maps[part.start : part.end].mean(0),
            f"region {part.region.name}: {part.text}",
            part.region.box,
        )
        for part in narration.segments
    ]
    return heatmap_image(narration.picture.image, narration.layout.boxes.numpy(), maps)


def heatmap_of_tracking(tracking: Tracking, spans: Sequence[Span] = ()) -> Image.Image:
    """Mean attention of the watched heads, and of the controls, over each span or the whole text."""
    parts = [(f'"{span.text}"', span.start, span.end) for span in spans]
    maps = []
    for label, start, end in parts or [("the whole text", 0, tracking.tokens)]:
        maps.append(AttentionMap(tracking.mean_map(start, end), f"{label}: gaze heads"))
        if tracking.controls:
            maps.append(AttentionMap(tracking.mean_map(start, end, controls=True), f"{label}: control heads"))
    return heatmap_image(tracking.picture.image, tracking.layout.boxes.numpy(), maps)


def shrunk(image: Image.Image, longest: int) -> Image.Image:
    """The image as RGB, the longer side of at most `longest` pixels."""
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


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


def half_of(field: Floats) -> npt.NDArray[np.bool_]:
    """The smallest part of the picture that holds half of the attention: (H, W)."""
    total = field.sum()
    if total <= 0:
        return np.zeros(field.shape, dtype=bool)
    levels, counts = np.unique(field, return_counts=True)  # rising
    held = np.cumsum((levels * counts)[::-1])
    level = levels[::-1][int(np.searchsorted(held, _HALF * total * (1 - 1e-9)))]
    inside: npt.NDArray[np.bool_] = field >= level
    return inside


def _lit(image: Image.Image, strength: Floats) -> Image.Image:
    """The picture in full colour where `strength` (H, W) is 1, grey and pale where it is 0.

    A square root lifts what is faint.
    """
    light = np.sqrt(np.clip(strength, 0.0, 1.0))[..., None]  # (H, W, 1)
    pixels = np.asarray(image, dtype=np.float64)
    pale = 255 * _PALEST + (1 - _PALEST) * pixels.mean(-1, keepdims=True)
    return Image.fromarray((pixels * light + pale * (1 - light)).clip(0, 255).astype(np.uint8))


def _outlined(image: Image.Image, inside: npt.NDArray[np.bool_]) -> Image.Image:
    """A line of two pixels along the inner border of `inside` (H, W)."""
    padded = np.pad(inside, 2)
    core = inside.copy()
    for down in range(5):
        for across in range(5):
            core &= padded[down : down + inside.shape[0], across : across + inside.shape[1]]
    pixels = np.asarray(image).copy()
    pixels[inside & ~core] = _LINE
    return Image.fromarray(pixels)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    line = "".join(c if 32 <= ord(c) < 0x250 and ord(c) != 127 else " " for c in text)
    line = " ".join(line.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + " ...") > width:
        line = line[:-1]
    return line + " ..."
