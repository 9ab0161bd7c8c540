"""The drawing of each of the eight objects."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from gazecli.tiny.pen import INK, Pen, varied


def draw_object(pen: Pen, name: str, rng: random.Random) -> None:
    """Draw an object standing on the lower edge."""
    _OBJECTS[name](pen, rng)


def _box(pen: Pen, rng: random.Random) -> None:
    pen.block(8, 20, 92, 98, varied((178, 122, 66), rng), 4)
    pen.block(42, 20, 58, 98, (222, 186, 128), 2)
    pen.line([(8, 42), (92, 42)], INK, 4)


def _ball(pen: Pen, rng: random.Random) -> None:
    pen.oval(8, 14, 92, 98, (250, 250, 250), 4)
    stripe = varied((230, 40, 50), rng)
    for start in (0, 120, 240):
        pen.pie(8, 14, 92, 98, start + 20, start + 80, stripe)
    pen.dot(50, 56, 8, (250, 250, 250))


def _tree(pen: Pen, rng: random.Random) -> None:
    pen.block(40, 60, 60, 99, varied((112, 72, 40), rng), 4)
    leaves = varied((30, 120, 44), rng)
    for x0, y0, x1, y1 in ((6, 28, 56, 74), (44, 28, 94, 74), (22, 2, 78, 54)):
        pen.oval(x0, y0, x1, y1, leaves, 4)
    pen.oval(24, 24, 76, 64, leaves, 0)


def _flower(pen: Pen, rng: random.Random) -> None:
    pen.line([(50, 48), (50, 99)], (30, 120, 40), 8)
    pen.shape([(50, 86), (80, 68), (64, 92)], (50, 160, 60), 2)
    petal = varied((250, 110, 180), rng)
    for i in range(6):
        x, y = 50 + 24 * math.cos(i * math.pi / 3), 32 + 24 * math.sin(i * math.pi / 3)
        pen.oval(x - 15, y - 15, x + 15, y + 15, petal, 3)
    pen.oval(36, 18, 64, 46, (255, 220, 40), 3)


def _cup(pen: Pen, rng: random.Random) -> None:
    pen.arc(60, 46, 100, 86, 0, 360, INK, 10)
    pen.arc(62, 48, 98, 84, 0, 360, (255, 255, 255), 5)
    pen.shape([(10, 36), (80, 36), (72, 98), (18, 98)], (246, 246, 250), 4)
    pen.block(13, 54, 77, 70, varied((60, 130, 220), rng), 0)
    for x in (30, 46, 62):
        pen.line([(x, 28), (x + 5, 20), (x - 3, 12), (x + 3, 3)], (120, 120, 130), 4)


def _cake(pen: Pen, rng: random.Random) -> None:
    pen.block(12, 46, 88, 98, varied((244, 206, 140), rng), 4)
    pen.block(12, 66, 88, 76, (150, 70, 50), 0)
    pen.shape(
        [(10, 44), (90, 44), (90, 56), (76, 64), (63, 54), (50, 66), (36, 54), (24, 64), (10, 56)],
        (255, 246, 250),
        3,
    )
    for x in (30, 50, 70):
        pen.block(x - 3, 22, x + 3, 44, (90, 160, 240), 2)
        pen.drop(x, 15, 5, (255, 170, 30))


def _umbrella(pen: Pen, rng: random.Random) -> None:
    pen.line([(50, 8), (50, 90)], INK, 5)
    pen.arc(50, 78, 72, 99, 0, 180, INK, 5)
    canopy = varied((120, 70, 200), rng)
    pen.pie(4, 12, 96, 110, 180, 360, canopy)
    pen.pie(34, 12, 66, 110, 180, 360, (250, 210, 70))


def _ladder(pen: Pen, rng: random.Random) -> None:
    wood = varied((214, 160, 80), rng)
    for x in (24, 76):
        pen.line([(x, 2), (x, 99)], INK, 13)
        pen.line([(x, 3), (x, 98)], wood, 7)
    for y in (16, 36, 56, 76, 92):
        pen.line([(20, y), (80, y)], INK, 9)
        pen.line([(22, y), (78, y)], wood, 4)


_OBJECTS: dict[str, Callable[[Pen, random.Random], None]] = {
    "box": _box,
    "ball": _ball,
    "tree": _tree,
    "flower": _flower,
    "cup": _cup,
    "cake": _cake,
    "umbrella": _umbrella,
    "ladder": _ladder,
}
