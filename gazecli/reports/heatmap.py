"""Heatmaps of attention: the picture in full colour where the attention is, pale where it is not.

A line surrounds the smallest part of the picture that holds half of the attention. Both read in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
LEGENDS = (
    "full colour: most attention, paler by its square root; line: half of the attention lies inside",
    "colour: square root of attention; line: half of it",
    "colour: attention (square root)",
)


@dataclass(frozen=True)
class AttentionMap:
    """Attention on one picture: weights (N,) of the image tokens, a caption, the target's box if any."""

    weights: Floats
    caption: str
    target: Box | None = None


@dataclass(frozen=True)
class Heatmap:
    """A picture that is shown once for each map.

    boxes: (N, 4) pixels of the picture each token covers, NaN where it covers none.
    """

    image: Image.Image = field(repr=False)
    boxes: Floats = field(repr=False)
    maps: Sequence[AttentionMap]

    def panels(self) -> list[LitPanel]:
        """The picture lit by each map, at most 1600 pixels long; the brightest place has full colour."""
        small = shrunk(self.image, LONGEST_SIDE)
        ratio = np.array([small.width / self.image.width, small.height / self.image.height] * 2)
        fields = [density(each.weights, self.boxes * ratio, small.size) for each in self.maps]
        peak = max((float(each.max()) for each in fields), default=0.0)
        panels = []
        for shown, found in zip(self.maps, fields, strict=True):
            lit = _outlined(_lit(small, found / peak if peak > 0 else found), half_of(found))
            target = None if shown.target is None else np.array(shown.target) * ratio
            panels.append(LitPanel(shown.caption, lit, target))
        return panels

    def drawn(self) -> Image.Image:
        """The panels one under the other, with captions and a legend: RGB."""
        panels = self.panels()
        size = panels[0].image.size if panels else (0, 0)
        step = size[1] + _CAPTION_HEIGHT + _MARGIN
        sheet = Image.new("RGB", (size[0] + 2 * _MARGIN, step * len(panels) + _CAPTION_HEIGHT), "white")
        font, small_font = ImageFont.load_default(15), ImageFont.load_default(13)
        pen = ImageDraw.Draw(sheet)
        for row, panel in enumerate(panels):
            top = _MARGIN + row * step
            caption = _fitting(panel.caption, font, size[0])
            pen.text((_MARGIN, top + 2), caption, fill=(20, 20, 20), font=font)
            sheet.paste(panel.image, (_MARGIN, top + _CAPTION_HEIGHT))
            if panel.target is not None:
                edges = panel.target + np.array([_MARGIN, top + _CAPTION_HEIGHT] * 2)
                pen.rectangle([float(edge) for edge in edges - (0, 0, 1, 1)], outline=(0, 0, 0), width=2)
        for legend in LEGENDS:  # a narrow picture gets the shorter one
            if small_font.getlength(legend) <= size[0]:
                break
        pen.text((_MARGIN, step * len(panels) + 3), legend, fill=(90, 90, 90), font=small_font)
        return sheet


@dataclass(frozen=True)
class LitPanel:
    """One panel of a heatmap; target: the edges of its box in pixels of `image`."""

    caption: str
    image: Image.Image = field(repr=False)
    target: Floats | None = None


def heatmap_of_steering(steering: Steering) -> Heatmap:
    """Attention of the steered heads at the first steered token: unsteered, then at each region."""
    maps = [AttentionMap(steering.baseline_rows.mean(0), f"unsteered: {steering.baseline or ''}")]
    maps += [
        AttentionMap(answer.rows.mean(0), f"region {answer.region.name}: {answer.text}", answer.region.box)
        for answer in steering.answers
    ]
    return Heatmap(steering.picture.image, steering.layout.boxes.numpy(), maps)


def heatmap_of_narration(narration: Narration) -> Heatmap:
    """Mean attention of the steered heads in each segment."""
    maps = [
        AttentionMap(
            narration.maps[part.start : part.end].mean(0),
            f"region {part.region.name}: {part.text}",
            part.region.box,
        )
        for part in narration.segments
    ]
    return Heatmap(narration.picture.image, narration.layout.boxes.numpy(), maps)


def heatmap_of_tracking(tracking: Tracking, spans: Sequence[Span] = ()) -> Heatmap:
    """Mean attention of the watched heads, and of the controls, over each span or the whole text."""
    parts = [(f'"{span.text}"', span.start, span.end) for span in spans]
    maps = []
    for label, start, end in parts or [("the whole text", 0, tracking.tokens)]:
        maps.append(AttentionMap(tracking.mean_map(start, end), f"{label}: gaze heads"))
        if tracking.controls:
            maps.append(AttentionMap(tracking.mean_map(start, end, controls=True), f"{label}: control heads"))
    return Heatmap(tracking.picture.image, tracking.layout.boxes.numpy(), maps)


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
