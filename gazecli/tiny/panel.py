"""One panel: the place, subject, object and action of a scene, composed and drawn with Pillow.

What each of them looks like is in `subjects`, `objects` and `places`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from gazecli.tiny.objects import draw_object
from gazecli.tiny.pen import INK, Pen
from gazecli.tiny.places import draw_place
from gazecli.tiny.scenes import Scene
from gazecli.tiny.subjects import draw_subject

PANEL_SIZE = 256  # pixels a side of a panel as users get it
GRAIN = 5

Point = tuple[float, float]


class Canvas:
    """A square canvas in units of 0..100 on which whole figures are placed."""

    def __init__(self, size: int, rng: random.Random) -> None:
        self.size = size
        self.rng = rng
        self.image = Image.new("RGB", (size, size))
        self.pen = Pen(ImageDraw.Draw(self.image), size / 100)

    def jitter(self, spread: float) -> float:
        """A small random shift in units."""
        return self.rng.uniform(-spread, spread)

    def place(
        self,
        painter: Callable[[Pen], None],
        centre: Point,
        size: float,
        turn: float = 0.0,
        flip: bool = False,
    ) -> None:
        """Paint a figure of `size` units around `centre`, turned by `turn` degrees."""
        pixels = max(8, round(size * self.size / 100))
        layer = Image.new("RGBA", (pixels, pixels), (0, 0, 0, 0))
        painter(Pen(ImageDraw.Draw(layer), pixels / 100))
        if flip:
            layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if turn:
            layer = layer.rotate(turn, Image.Resampling.BILINEAR, expand=True)
        x = round(centre[0] * self.size / 100 - layer.width / 2)
        y = round(centre[1] * self.size / 100 - layer.height / 2)
        self.image.paste(layer, (x, y), layer)


def draw_panel(
    scene: Scene, rng: random.Random, size: int = PANEL_SIZE, supersample: int = 2, grain: int = GRAIN
) -> Image.Image:
    """Draw one scene as an RGB square of `size` pixels.

    The panel is drawn `supersample` times as large and reduced, which smooths its edges. Colours,
    positions, sizes and the direction the subject faces vary with `rng`. `grain` is the amplitude of the
    noise in grey levels; it triples the size of a PNG.
    """
    canvas = Canvas(size * supersample, rng)
    draw_place(canvas.pen, scene.place, rng)
    subject = _painter(draw_subject, scene.subject, scene.colour, rng)
    thing = _painter(draw_object, scene.object, rng)
    arrange(canvas, scene.action, subject, thing)
    image = canvas.image
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if supersample > 1:
        image = image.reduce(supersample)
    return _with_grain(image, rng, grain)


def arrange(
    canvas: Canvas, action: str, subject: Callable[[Pen], None], thing: Callable[[Pen], None]
) -> None:
    """Place a subject and a thing as an action has them, with the marks that show it."""
    _ARRANGEMENTS[action](canvas, subject, thing)


def _painter(draw: Callable[..., None], *arguments: object) -> Callable[[Pen], None]:
    return lambda pen: draw(pen, *arguments)


def _with_grain(image: Image.Image, rng: random.Random, amplitude: int) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32))
    grain = noise.integers(-amplitude, amplitude + 1, (image.height, image.width, 1), dtype=np.int16)
    light = rng.uniform(0.93, 1.07)
    pixels = np.asarray(image, dtype=np.float32) * light + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


Painter = Callable[[Pen], None]


def _jumps_over(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(4)
    canvas.place(thing, (50 + shift, 79), 36)
    for x, y in ((12, 72), (17, 55), (83, 55), (88, 72)):
        canvas.pen.dot(x + shift, y, 2.4, INK)
    canvas.pen.arc(10 + shift, 36, 90 + shift, 130, 200, 232, INK, 2)
    canvas.pen.arc(10 + shift, 36, 90 + shift, 130, 308, 340, INK, 2)
    canvas.place(subject, (50 + shift, 28 + canvas.jitter(2)), 50, turn=14)


def _sits_on(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(8)
    canvas.place(thing, (50 + shift, 77), 42)
    canvas.place(subject, (50 + shift, 36), 50)


def _pushes(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(3)
    canvas.place(thing, (77 + shift, 74), 40, turn=-9)
    canvas.pen.line([(40 + shift, 66), (60 + shift, 62)], INK, 3)
    canvas.pen.line([(40 + shift, 76), (60 + shift, 74)], INK, 3)
    canvas.place(subject, (31 + shift, 70), 52, turn=-12)
    for y in (86, 92):
        canvas.pen.line([(2, y), (10 + shift, y)], INK, 2)
    for x in (60, 66, 72):
        canvas.pen.dot(x + shift, 96, 2.2, (235, 225, 205))


def _flees(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(2)
    canvas.place(thing, (19 + shift, 77), 36)
    for y, start in ((50, 40), (60, 36), (70, 40), (80, 38)):
        canvas.pen.line([(start, y), (start + 13, y)], INK, 2.4)
    canvas.place(subject, (74 + shift, 64), 50, turn=-18)
    for x in (62, 76, 90):
        canvas.pen.drop(x + shift, 30, 4, (90, 190, 255))


def _lifts(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(8)
    canvas.pen.line([(34 + shift, 66), (36 + shift, 36)], INK, 3.4)
    canvas.pen.line([(66 + shift, 66), (64 + shift, 36)], INK, 3.4)
    canvas.place(subject, (50 + shift, 72), 50)
    canvas.place(thing, (50 + shift, 24), 40)


def _hides_behind(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(5)
    canvas.place(subject, (42 + shift, 52), 52)
    canvas.place(thing, (57 + shift, 73), 50)


def _sleeps_by(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(3)
    canvas.place(thing, (79 + shift, 76), 38)
    canvas.place(subject, (32 + shift, 74), 48, turn=90)
    for x, y, size in ((34, 44, 8), (45, 30, 11), (59, 13, 14)):
        canvas.pen.zed(x + shift, y, size, INK)


def _throws(canvas: Canvas, subject: Painter, thing: Painter) -> None:
    shift = canvas.jitter(3)
    canvas.pen.line([(42 + shift, 62), (54 + shift, 46)], INK, 3.4)
    canvas.place(subject, (29 + shift, 71), 52)
    for radius in (0, 7, 14):
        canvas.pen.arc(40 + radius, 24 + radius, 84 + radius, 90, 215, 268, INK, 1.8)
    canvas.place(thing, (78 + shift, 23 + canvas.jitter(2)), 36, turn=-25)


_ARRANGEMENTS: dict[str, Callable[[Canvas, Painter, Painter], None]] = {
    "jumps over": _jumps_over,
    "sits on": _sits_on,
    "pushes": _pushes,
    "flees": _flees,
    "lifts": _lifts,
    "hides behind": _hides_behind,
    "sleeps by": _sleeps_by,
    "throws": _throws,
}
