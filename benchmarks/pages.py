"""Comic pages drawn at random, with where their panels are: the suite on which panels are looked for."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from gazecli.tiny.panel import draw_panel
from gazecli.tiny.scenes import draw_strip

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
INK = (15, 15, 20)


@dataclass(frozen=True)
class DrawnPage:
    """A page, its panels' boxes in reading order (none: it is one picture), and how it is to be read."""

    kind: str
    image: Image.Image
    boxes: list[Box]
    spread: bool = False


@dataclass(frozen=True)
class _Style:
    """What panels lie on, and what surrounds them; sizes in pixels."""

    paper: Colour = WHITE
    gap: int = 10
    margin: int = 20
    frame: int = 0


def grid(rng: random.Random, style: _Style, rows: int | None = None, width: int | None = None) -> DrawnPage:
    """Rows of panels of uneven widths and heights."""
    count = rows or rng.randint(1, 4)
    width = width or rng.randint(600, 900)
    heights = [rng.randint(150, 240) for _ in range(count)]
    boxes: list[Box] = []
    top = style.margin
    for height in heights:
        boxes += _row(rng, style, top, height, width, rng.randint(1 if count > 1 else 2, 4))
        top += height + style.gap
    size = (width + 2 * style.margin, top - style.gap + style.margin)
    return DrawnPage("", _drawn(rng, style, size, boxes), boxes)


def columns(rng: random.Random, style: _Style) -> DrawnPage:
    """Columns whose panels end at different heights."""
    count = rng.randint(2, 3)
    width, height = rng.randint(240, 300), rng.randint(600, 800)
    boxes: list[Box] = []
    for column in range(count):
        left, top = style.margin + column * (width + style.gap), style.margin
        share = (0.5, 0.38, 0.62)[column] + rng.uniform(-0.03, 0.03)
        edges = [0, share, 1] if rng.random() < 0.6 or column else [0, share / 2, share, 1]
        for low, high in pairwise(edges):
            upper = round(low * (height + style.gap))
            lower = round(high * (height + style.gap)) - style.gap
            boxes.append((left, top + upper, left + width, top + lower))
    size = (count * (width + style.gap) - style.gap + 2 * style.margin, height + 2 * style.margin)
    return DrawnPage("", _drawn(rng, style, size, boxes), boxes)


def webtoon(rng: random.Random, style: _Style) -> DrawnPage:
    """Panels of the page's full width, one under the other, some of them with a plain floor or sky."""
    width = rng.randint(360, 500)
    boxes: list[Box] = []
    top = style.gap // 2
    for _ in range(rng.randint(3, 6)):
        height = rng.randint(180, 320)
        boxes.append((0, top, width, top + height))
        top += height + style.gap
    page = _drawn(rng, style, (width, top - style.gap // 2), boxes)
    pen = ImageDraw.Draw(page)
    for number, (left, upper, right, lower) in enumerate(boxes):
        if number % 2:
            floor = rng.choice([(120, 82, 50), (150, 200, 235), (60, 60, 70)])
            band = rng.choice([(lower - 24, lower), (upper, upper + 30)])
            pen.rectangle((left, band[0], right - 1, band[1] - 1), fill=floor)
        if style.frame:
            pen.rectangle((left, upper, right - 1, lower - 1), outline=INK, width=style.frame)
    return DrawnPage("", page, boxes)


def spread(rng: random.Random, style: _Style) -> DrawnPage:
    """Two pages side by side, each read on its own."""
    height, width = rng.randint(150, 220), rng.randint(360, 460)
    rows = rng.randint(2, 3)
    pages = [grid(rng, style, rows, width) for _ in range(2)]
    tall = max(page.image.height for page in pages)
    sheet = Image.new("RGB", (pages[0].image.width * 2, max(tall, height)), style.paper)
    boxes: list[Box] = []
    for number, page in enumerate(pages):
        left = number * page.image.width
        sheet.paste(page.image, (left, 0))
        boxes += [(x0 + left, y0, x1 + left, y1) for x0, y0, x1, y1 in page.boxes]
    return DrawnPage("", sheet, boxes, spread=True)


def illustration(rng: random.Random, style: _Style) -> DrawnPage:
    """One picture, with a margin or without; there is nothing to cut."""
    size = (rng.randint(400, 700), rng.randint(300, 600))
    page = Image.new("RGB", (size[0] + 2 * style.margin, size[1] + 2 * style.margin), style.paper)
    page.paste(_art(rng, size), (style.margin, style.margin))
    return DrawnPage("", page, [])


def _row(rng: random.Random, style: _Style, top: int, height: int, width: int, count: int) -> list[Box]:
    shares = np.cumsum([0, *(rng.uniform(0.8, 1.5) for _ in range(count))])
    edges = (shares / shares[-1] * (width + style.gap)).round().astype(int).tolist()
    left = style.margin
    return [(left + x0, top, left + x1 - style.gap, top + height) for x0, x1 in pairwise(edges)]


def _drawn(rng: random.Random, style: _Style, size: tuple[int, int], boxes: Sequence[Box]) -> Image.Image:
    page = Image.new("RGB", size, style.paper)
    pen = ImageDraw.Draw(page)
    for x0, y0, x1, y1 in boxes:
        page.paste(_art(rng, (x1 - x0, y1 - y0)), (x0, y0))
        if style.frame:
            pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=INK, width=style.frame)
    return page


def _art(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """A drawn scene, cut to size; now and then painted blotches."""
    if rng.random() < 0.25:
        noise = np.random.default_rng(rng.randrange(1 << 30))
        small = noise.integers(20, 200, (max(2, size[1] // 12), max(2, size[0] // 12), 3), dtype=np.uint8)
        return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    side = max(size)
    scene = draw_panel(draw_strip(rng, 1, "all")[0], rng, size=256, grain=0)
    whole = scene.resize((side, side), Image.Resampling.LANCZOS)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    return whole.crop((left, top, left + size[0], top + size[1]))


def _saved(image: Image.Image, form: str, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, form, quality=quality)
    return Image.open(file).convert("RGB")


def _with_balloons(rng: random.Random, page: DrawnPage, count: int) -> DrawnPage:
    """A balloon across each of `count` gutters: between two neighbours of a row, or over a row's edge."""
    neighbours = [
        (a, b)
        for a in page.boxes
        for b in page.boxes
        if (a[1] == b[1] and 0 < b[0] - a[2] < 40) or (a[0] == b[0] and 0 < b[1] - a[3] < 40)
    ]
    pen = ImageDraw.Draw(page.image)
    for (x0, y0, x1, y1), (u0, v0, u1, v1) in rng.sample(neighbours, min(count, len(neighbours))):
        wide = min(x1 - x0, u1 - u0)
        tall = min(y1 - y0, v1 - v0)
        if y0 == v0:
            middle = ((x1 + u0) / 2, y0 + tall * rng.uniform(0.3, 0.6))
            half = (min(60, wide * 0.35), tall * rng.uniform(0.12, 0.2))
        else:
            middle = (x0 + wide * rng.uniform(0.3, 0.6), (y1 + v0) / 2)
            half = (wide * rng.uniform(0.12, 0.2), min(40, tall * 0.3))
        corners = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
        pen.ellipse(corners, fill=WHITE, outline=INK, width=2)
    return page


def _tilted(page: DrawnPage, degrees: float, paper: Colour) -> DrawnPage:
    image = page.image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=paper)
    angle = np.deg2rad(-degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    old, new = np.array(page.image.size) / 2, np.array(image.size) / 2
    boxes: list[Box] = []
    for x0, y0, x1, y1 in page.boxes:
        corners = (np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)]) - old) @ turn.T + new
        low, high = corners.min(axis=0).round().astype(int), corners.max(axis=0).round().astype(int)
        boxes.append((int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    return DrawnPage(page.kind, image, boxes, page.spread)


def _scanned(rng: random.Random, page: DrawnPage) -> DrawnPage:
    """Grey, blurred, noisy, on paper that darkens towards one side, as JPEG."""
    grey = page.image.convert("L").filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.0)))
    pixels = np.asarray(grey, dtype=np.float64) * rng.uniform(0.88, 0.97)
    noise = np.random.default_rng(rng.randrange(1 << 30))
    shade = np.linspace(0, rng.uniform(0, 18), pixels.shape[1])
    pixels = pixels - shade + noise.normal(0, rng.uniform(1, 4), pixels.shape)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")
    return DrawnPage(page.kind, _saved(image, "JPEG", rng.choice([70, 80, 90])), page.boxes, page.spread)


def _compressed(page: DrawnPage, form: str, quality: int) -> DrawnPage:
    return DrawnPage(page.kind, _saved(page.image, form, quality), page.boxes, page.spread)


def _any_colour(rng: random.Random) -> Colour:
    red, green, blue = (rng.randint(0, 255) for _ in range(3))
    return red, green, blue


# One way to draw each kind of page.
_KINDS: dict[str, Callable[[random.Random], DrawnPage]] = {
    "white gutters, 2 to 20 px": lambda r: grid(r, _Style(gap=r.randint(2, 20), margin=r.choice([0, 20]))),
    "black gutters": lambda r: grid(r, _Style(BLACK, r.randint(3, 20), r.choice([0, 20]))),
    "coloured gutters": lambda r: grid(r, _Style(_any_colour(r), r.randint(3, 20), r.choice([0, 20]))),
    "frames around panels": lambda r: grid(r, _Style(gap=r.randint(4, 20), frame=r.randint(1, 4))),
    "no gutter, frames only": lambda r: grid(r, _Style(gap=0, frame=r.randint(2, 4))),
    "wide gaps, 40 to 160 px": lambda r: grid(
        r, _Style(gap=r.randint(40, 160), margin=r.choice([0, 40])), width=r.randint(1200, 1400)
    ),
    "JPEG 85 to 95": lambda r: _compressed(
        grid(r, _Style(gap=r.randint(4, 12), margin=r.choice([0, 20]))), "JPEG", r.randint(85, 95)
    ),
    "JPEG 40 to 80": lambda r: _compressed(
        grid(r, _Style(gap=r.randint(4, 12), margin=r.choice([0, 20]))), "JPEG", r.randint(40, 80)
    ),
    "WebP 40 to 80": lambda r: _compressed(
        grid(r, _Style(gap=r.randint(4, 12), margin=r.choice([0, 20]))), "WEBP", r.randint(40, 80)
    ),
    "black or coloured, JPEG 60 to 85": lambda r: _compressed(
        grid(r, _Style(r.choice([BLACK, _any_colour(r)]), r.randint(6, 16))), "JPEG", r.randint(60, 85)
    ),
    "grey scans": lambda r: _scanned(r, grid(r, _Style(gap=r.randint(8, 20), frame=r.choice([0, 2])))),
    "tilted 0.3 to 1.5 degrees": lambda r: _tilted(
        grid(r, _Style(gap=r.randint(8, 20), frame=r.choice([0, 2]))),
        r.choice([-1, 1]) * r.uniform(0.3, 1.5),
        WHITE,
    ),
    "balloons, white gutters": lambda r: _with_balloons(
        r, grid(r, _Style(gap=r.randint(6, 16), frame=r.choice([0, 2])), r.randint(2, 3)), r.randint(1, 2)
    ),
    "balloons, black gutters": lambda r: _with_balloons(
        r, grid(r, _Style(BLACK, r.randint(6, 16)), r.randint(2, 3)), 1
    ),
    "balloons, JPEG 80": lambda r: _compressed(
        _with_balloons(r, grid(r, _Style(gap=r.randint(6, 16), frame=2), r.randint(2, 3)), 1), "JPEG", 80
    ),
    "staggered columns": lambda r: columns(r, _Style(gap=r.randint(4, 16), frame=r.choice([0, 2]))),
    "webtoons": lambda r: webtoon(r, _Style(gap=r.randint(40, 160), frame=r.choice([0, 0, 3]))),
    "webtoons, JPEG 80": lambda r: _compressed(webtoon(r, _Style(gap=r.randint(20, 160))), "JPEG", 80),
    "double pages": lambda r: spread(r, _Style(gap=r.randint(6, 16), frame=r.choice([0, 2]))),
    "one picture": lambda r: _compressed(illustration(r, _Style(margin=r.choice([0, 0, 20]))), "JPEG", 85),
}
KINDS = tuple(_KINDS)


def pages(each: int, kinds: Sequence[str] = KINDS, seed: int = 0) -> Iterator[DrawnPage]:
    """`each` pages of every kind; the same seed draws the same pages."""
    for kind in kinds:
        for number in range(each):
            page = _KINDS[kind](random.Random(f"{kind}-{seed}-{number}"))
            yield DrawnPage(kind, page.image, page.boxes, page.spread)
