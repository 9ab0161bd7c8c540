"""The drawing of each of the six places, over the whole canvas."""

from __future__ import annotations

import random
from collections.abc import Callable

from gazecli.tiny.pen import INK, Pen, varied


def draw_place(pen: Pen, place: str, rng: random.Random) -> None:
    """Fill the whole canvas with a place."""
    _PLACES[place](pen, rng)


def _park(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((166, 218, 250), rng, 8), 0)
    x = rng.uniform(10, 90)
    pen.oval(x - 40, 54, x + 40, 120, (150, 214, 110), 0)
    pen.block(0, 72, 100, 100, varied((126, 200, 90), rng, 8), 0)
    for _ in range(7):
        tuft = rng.uniform(2, 96)
        pen.line([(tuft, 99), (tuft + 1, 92)], (80, 160, 60), 1.6)


def _night(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((34, 40, 92), rng, 8), 0)
    for _ in range(14):
        pen.dot(rng.uniform(0, 100), rng.uniform(0, 66), 1.2, (250, 250, 210))
    x = rng.choice((12, 88))
    pen.dot(x, 13, 9, (255, 244, 190))
    pen.dot(x + 5, 10, 8, (34, 40, 92))
    pen.block(0, 76, 100, 100, varied((52, 60, 84), rng, 8), 0)


def _beach(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((200, 236, 252), rng, 8), 0)
    pen.block(0, 42, 100, 70, varied((40, 160, 200), rng, 8), 0)
    for y in (50, 60):
        start = rng.uniform(-10, 0)
        for i in range(6):
            pen.arc(start + i * 20, y - 4, start + i * 20 + 20, y + 6, 180, 360, (230, 250, 255), 1.6)
    pen.block(0, 68, 100, 100, varied((246, 220, 150), rng, 8), 0)


def _snow(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((176, 194, 214), rng, 8), 0)
    x = rng.uniform(0, 100)
    pen.oval(x - 50, 60, x + 50, 130, (226, 234, 244), 0)
    pen.block(0, 76, 100, 100, (240, 244, 250), 0)
    for _ in range(22):
        pen.dot(rng.uniform(0, 100), rng.uniform(0, 80), 1.7, (255, 255, 255))


def _city(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((238, 196, 160), rng, 8), 0)
    x = rng.uniform(-12, 0)
    while x < 100:
        width, top = rng.uniform(16, 24), rng.uniform(8, 40)
        pen.block(x, top, x + width, 84, varied((134, 130, 142), rng, 12), 1)
        for wx in range(int(x) + 4, int(x + width) - 4, 7):
            for wy in range(int(top) + 5, 76, 10):
                pen.block(wx, wy, wx + 3, wy + 5, (250, 236, 150), 0)
        x += width + 1
    pen.block(0, 82, 100, 100, varied((92, 92, 98), rng, 8), 0)


def _home(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, varied((246, 214, 190), rng, 8), 0)
    for x in range(6, 100, 12):
        pen.line([(x, 0), (x, 78)], (236, 196, 170), 2)
    x = rng.choice((4, 70))
    pen.block(x, 6, x + 26, 34, (190, 226, 250), 2)
    pen.line([(x + 13, 6), (x + 13, 34)], INK, 1.6)
    pen.line([(x, 20), (x + 26, 20)], INK, 1.6)
    pen.block(0, 78, 100, 100, varied((170, 116, 72), rng, 8), 0)
    pen.line([(0, 78), (100, 78)], (120, 80, 50), 2)
    pen.line([(0, 90), (100, 90)], (140, 92, 56), 1.6)


_PLACES: dict[str, Callable[[Pen, random.Random], None]] = {
    "in the park": _park,
    "at night": _night,
    "at the beach": _beach,
    "in the snow": _snow,
    "in the city": _city,
    "at home": _home,
}
