"""What single things look like: a pen in units, ten subjects, eight objects, six places.

Holds shapes and colours only. Knows nothing of scenes, actions or captions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from PIL import ImageDraw

Rgb = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

INK: Rgb = (28, 26, 34)
CREAM: Rgb = (250, 226, 180)

PAINT: dict[str, Rgb] = {
    "red": (218, 38, 40),
    "orange": (250, 138, 24),
    "yellow": (252, 220, 50),
    "green": (56, 168, 68),
    "blue": (46, 100, 222),
    "purple": (134, 58, 178),
    "pink": (252, 146, 190),
    "white": (248, 248, 248),
}


class Pen:
    """Draws on a square canvas whose sides measure 100 units."""

    def __init__(self, canvas: ImageDraw.ImageDraw, scale: float) -> None:
        self.canvas = canvas
        self.scale = scale

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        s = self.scale
        return (x0 * s, y0 * s, x1 * s, y1 * s)

    def _width(self, width: float) -> int:
        return max(1, round(width * self.scale))

    def oval(self, x0: float, y0: float, x1: float, y1: float, fill: Rgb | None, edge: float = 3) -> None:
        self.canvas.ellipse(self._box(x0, y0, x1, y1), fill, INK if edge else None, self._width(edge))

    def block(self, x0: float, y0: float, x1: float, y1: float, fill: Rgb | None, edge: float = 3) -> None:
        self.canvas.rectangle(self._box(x0, y0, x1, y1), fill, INK if edge else None, self._width(edge))

    def shape(self, points: Points, fill: Rgb, edge: float = 3) -> None:
        scaled = [(x * self.scale, y * self.scale) for x, y in points]
        self.canvas.polygon(scaled, fill)
        if edge:
            self.canvas.line([*scaled, scaled[0]], INK, self._width(edge), joint="curve")

    def line(self, points: Points, ink: Rgb = INK, width: float = 3) -> None:
        self.canvas.line(
            [(x * self.scale, y * self.scale) for x, y in points], ink, self._width(width), joint="curve"
        )

    def arc(
        self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, ink: Rgb, width: float
    ) -> None:
        self.canvas.arc(self._box(x0, y0, x1, y1), start, end, ink, self._width(width))

    def pie(self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, fill: Rgb) -> None:
        self.canvas.pieslice(self._box(x0, y0, x1, y1), start, end, fill, INK, self._width(3))

    def dot(self, x: float, y: float, radius: float, fill: Rgb) -> None:
        self.canvas.ellipse(self._box(x - radius, y - radius, x + radius, y + radius), fill)

    def eye(self, x: float, y: float, radius: float = 5) -> None:
        self.oval(x - radius, y - radius, x + radius, y + radius, (255, 255, 255), 1.6)
        self.dot(x + radius * 0.25, y, radius * 0.5, INK)

    def drop(self, x: float, y: float, size: float, fill: Rgb) -> None:
        self.shape([(x, y - size * 1.6), (x + size, y), (x, y + size), (x - size, y)], fill, 1)

    def zed(self, x: float, y: float, size: float, ink: Rgb) -> None:
        points = [(x, y), (x + size, y), (x, y + size), (x + size, y + size)]
        self.line(points, (255, 255, 255), 5)
        self.line(points, ink, 2.6)


def _varied(colour: Rgb, rng: random.Random, spread: int = 14) -> Rgb:
    red, green, blue = (min(255, max(0, part + rng.randint(-spread, spread))) for part in colour)
    return (red, green, blue)


def _darker(colour: Rgb) -> Rgb:
    return (int(colour[0] * 0.72), int(colour[1] * 0.72), int(colour[2] * 0.72))


def draw_subject(pen: Pen, subject: str, colour: str, rng: random.Random) -> None:
    """Draw a subject looking to the right, feet at the lower edge."""
    _SUBJECTS[subject](pen, _varied(PAINT[colour], rng))


def draw_object(pen: Pen, name: str, rng: random.Random) -> None:
    """Draw an object standing on the lower edge."""
    _OBJECTS[name](pen, rng)


def draw_place(pen: Pen, place: str, rng: random.Random) -> None:
    """Fill the whole canvas with a place."""
    _PLACES[place](pen, rng)


def _cat(pen: Pen, c: Rgb) -> None:
    pen.line([(18, 84), (6, 70), (8, 48), (16, 42)], INK, 12)
    pen.line([(18, 84), (6, 70), (8, 48), (16, 42)], c, 6)
    pen.oval(14, 52, 76, 96, c)
    pen.block(22, 84, 34, 98, c)
    pen.block(58, 84, 70, 98, c)
    pen.shape([(40, 34), (40, 4), (60, 22)], c)
    pen.shape([(92, 34), (92, 4), (72, 22)], c)
    pen.oval(36, 16, 96, 68, c)
    pen.eye(56, 38, 6)
    pen.eye(80, 38, 6)
    pen.shape([(64, 48), (72, 48), (68, 53)], (255, 150, 160), 1.5)
    for dy in (0, 6):
        pen.line([(28, 50 + dy), (50, 51 + dy)], INK, 1.6)
        pen.line([(84, 51 + dy), (100, 50 + dy)], INK, 1.6)


def _rabbit(pen: Pen, c: Rgb) -> None:
    pen.oval(8, 66, 28, 86, (255, 255, 255))
    pen.oval(18, 54, 74, 98, c)
    pen.oval(46, 0, 60, 42, c)
    pen.oval(66, 0, 80, 42, c)
    pen.oval(50, 8, 56, 34, (255, 190, 200), 0)
    pen.oval(70, 8, 76, 34, (255, 190, 200), 0)
    pen.oval(38, 32, 88, 74, c)
    pen.eye(56, 50)
    pen.eye(74, 50)
    pen.block(61, 64, 69, 74, (255, 255, 255), 1.5)
    pen.oval(52, 86, 84, 99, c)


def _bird(pen: Pen, c: Rgb) -> None:
    pen.line([(42, 84), (40, 99), (48, 99)], INK, 3)
    pen.line([(58, 84), (56, 99), (64, 99)], INK, 3)
    pen.shape([(20, 60), (0, 40), (4, 72)], c)
    pen.oval(12, 38, 78, 88, c)
    pen.oval(48, 12, 88, 54, c)
    pen.shape([(84, 26), (100, 36), (84, 42)], (255, 170, 30))
    pen.eye(72, 28, 6)
    pen.shape([(26, 54), (60, 54), (36, 80)], _darker(c))
    pen.line([(66, 13), (60, 2)], INK, 3)
    pen.line([(68, 13), (72, 1)], INK, 3)


def _fish(pen: Pen, c: Rgb) -> None:
    pen.shape([(28, 60), (0, 36), (0, 86)], c)
    pen.shape([(44, 38), (62, 16), (74, 40)], _darker(c))
    pen.oval(16, 34, 98, 88, c)
    pen.eye(80, 54, 6)
    pen.arc(52, 40, 72, 82, 100, 260, INK, 3)
    pen.line([(36, 50), (36, 72)], _darker(c), 5)
    pen.line([(46, 46), (46, 76)], _darker(c), 5)
    pen.arc(80, 62, 98, 78, 90, 180, INK, 2.4)


def _robot(pen: Pen, c: Rgb) -> None:
    pen.line([(50, 12), (50, 2)], INK, 3)
    pen.dot(50, 4, 5, (255, 80, 60))
    pen.block(28, 78, 42, 98, (150, 155, 165))
    pen.block(58, 78, 72, 98, (150, 155, 165))
    pen.block(8, 48, 20, 76, (150, 155, 165))
    pen.block(80, 48, 92, 76, (150, 155, 165))
    pen.block(20, 44, 80, 84, c)
    pen.block(26, 12, 74, 44, c)
    pen.block(34, 20, 46, 32, (120, 255, 255), 2)
    pen.block(56, 20, 68, 32, (120, 255, 255), 2)
    pen.block(38, 54, 62, 70, (60, 64, 74), 2)


def _ghost(pen: Pen, c: Rgb) -> None:
    outline = [(14.0, 98.0)]
    outline += [
        (50 + 36 * math.cos(math.radians(a)), 42 + 38 * math.sin(math.radians(a)))
        for a in range(180, 361, 15)
    ]
    outline += [(86, 98), (74, 84), (62, 98), (50, 84), (38, 98), (26, 84)]
    pen.shape(outline, c)
    pen.oval(32, 30, 46, 52, INK, 0)
    pen.oval(56, 30, 70, 52, INK, 0)
    pen.oval(43, 58, 59, 74, INK, 0)


def _snail(pen: Pen, c: Rgb) -> None:
    pen.line([(80, 60), (74, 34)], INK, 3)
    pen.line([(88, 60), (96, 34)], INK, 3)
    pen.dot(74, 32, 5, INK)
    pen.dot(95, 32, 5, INK)
    pen.shape([(0, 97), (66, 97), (90, 97), (98, 70), (86, 56), (74, 66), (68, 82), (20, 84)], CREAM)
    pen.oval(8, 22, 74, 88, c)
    pen.arc(20, 34, 62, 76, 0, 300, INK, 4)
    pen.arc(30, 44, 52, 66, 150, 430, INK, 4)
    pen.dot(88, 68, 3, INK)


def _octopus(pen: Pen, c: Rgb) -> None:
    for x0, x1, x2 in ((34, 8, 0), (42, 26, 18), (50, 48, 54), (58, 72, 80), (66, 92, 100)):
        pen.line([(x0, 56), (x1, 78), (x2, 97)], INK, 13)
    for x0, x1, x2 in ((34, 8, 0), (42, 26, 18), (50, 48, 54), (58, 72, 80), (66, 92, 100)):
        pen.line([(x0, 56), (x1, 78), (x2, 97)], c, 8)
    pen.oval(20, 4, 80, 68, c)
    pen.eye(40, 36, 8)
    pen.eye(62, 36, 8)
    pen.arc(42, 44, 60, 58, 20, 160, INK, 2.4)


def _turtle(pen: Pen, c: Rgb) -> None:
    skin = (160, 196, 110)
    pen.oval(16, 76, 34, 98, skin)
    pen.oval(54, 76, 72, 98, skin)
    pen.shape([(8, 78), (0, 88), (12, 86)], skin)
    pen.oval(70, 46, 100, 74, skin)
    pen.dot(89, 56, 3.4, INK)
    pen.pie(4, 30, 82, 132, 180, 360, c)
    pen.line([(30, 80), (36, 46), (52, 46), (58, 80)], INK, 2.6)
    pen.line([(36, 46), (28, 36)], INK, 2.6)
    pen.line([(52, 46), (60, 36)], INK, 2.6)


def _star(pen: Pen, c: Rgb) -> None:
    points = [
        (50 + r * math.sin(math.pi * i / 5), 54 - r * math.cos(math.pi * i / 5))
        for i, r in enumerate([52, 23] * 5)
    ]
    pen.shape(points, c)
    pen.eye(42, 48, 5)
    pen.eye(59, 48, 5)
    pen.arc(40, 52, 61, 68, 20, 160, INK, 2.6)


_SUBJECTS: dict[str, Callable[[Pen, Rgb], None]] = {
    "cat": _cat,
    "rabbit": _rabbit,
    "bird": _bird,
    "fish": _fish,
    "robot": _robot,
    "ghost": _ghost,
    "snail": _snail,
    "octopus": _octopus,
    "turtle": _turtle,
    "star": _star,
}


def _box(pen: Pen, rng: random.Random) -> None:
    pen.block(8, 20, 92, 98, _varied((178, 122, 66), rng), 4)
    pen.block(42, 20, 58, 98, (222, 186, 128), 2)
    pen.line([(8, 42), (92, 42)], INK, 4)


def _ball(pen: Pen, rng: random.Random) -> None:
    pen.oval(8, 14, 92, 98, (250, 250, 250), 4)
    stripe = _varied((230, 40, 50), rng)
    for start in (0, 120, 240):
        pen.pie(8, 14, 92, 98, start + 20, start + 80, stripe)
    pen.dot(50, 56, 8, (250, 250, 250))


def _tree(pen: Pen, rng: random.Random) -> None:
    pen.block(40, 60, 60, 99, _varied((112, 72, 40), rng), 4)
    leaves = _varied((30, 120, 44), rng)
    for x0, y0, x1, y1 in ((6, 28, 56, 74), (44, 28, 94, 74), (22, 2, 78, 54)):
        pen.oval(x0, y0, x1, y1, leaves, 4)
    pen.oval(24, 24, 76, 64, leaves, 0)


def _flower(pen: Pen, rng: random.Random) -> None:
    pen.line([(50, 48), (50, 99)], (30, 120, 40), 8)
    pen.shape([(50, 86), (80, 68), (64, 92)], (50, 160, 60), 2)
    petal = _varied((250, 110, 180), rng)
    for i in range(6):
        x, y = 50 + 24 * math.cos(i * math.pi / 3), 32 + 24 * math.sin(i * math.pi / 3)
        pen.oval(x - 15, y - 15, x + 15, y + 15, petal, 3)
    pen.oval(36, 18, 64, 46, (255, 220, 40), 3)


def _cup(pen: Pen, rng: random.Random) -> None:
    pen.arc(60, 46, 100, 86, 0, 360, INK, 10)
    pen.arc(62, 48, 98, 84, 0, 360, (255, 255, 255), 5)
    pen.shape([(10, 36), (80, 36), (72, 98), (18, 98)], (246, 246, 250), 4)
    pen.block(13, 54, 77, 70, _varied((60, 130, 220), rng), 0)
    for x in (30, 46, 62):
        pen.line([(x, 28), (x + 5, 20), (x - 3, 12), (x + 3, 3)], (120, 120, 130), 4)


def _cake(pen: Pen, rng: random.Random) -> None:
    pen.block(12, 46, 88, 98, _varied((244, 206, 140), rng), 4)
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
    canopy = _varied((120, 70, 200), rng)
    pen.pie(4, 12, 96, 110, 180, 360, canopy)
    pen.pie(34, 12, 66, 110, 180, 360, (250, 210, 70))


def _ladder(pen: Pen, rng: random.Random) -> None:
    wood = _varied((214, 160, 80), rng)
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


def _park(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((166, 218, 250), rng, 8), 0)
    x = rng.uniform(10, 90)
    pen.oval(x - 40, 54, x + 40, 120, (150, 214, 110), 0)
    pen.block(0, 72, 100, 100, _varied((126, 200, 90), rng, 8), 0)
    for _ in range(7):
        tuft = rng.uniform(2, 96)
        pen.line([(tuft, 99), (tuft + 1, 92)], (80, 160, 60), 1.6)


def _night(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((34, 40, 92), rng, 8), 0)
    for _ in range(14):
        pen.dot(rng.uniform(0, 100), rng.uniform(0, 66), 1.2, (250, 250, 210))
    x = rng.choice((12, 88))
    pen.dot(x, 13, 9, (255, 244, 190))
    pen.dot(x + 5, 10, 8, (34, 40, 92))
    pen.block(0, 76, 100, 100, _varied((52, 60, 84), rng, 8), 0)


def _beach(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((200, 236, 252), rng, 8), 0)
    pen.block(0, 42, 100, 70, _varied((40, 160, 200), rng, 8), 0)
    for y in (50, 60):
        start = rng.uniform(-10, 0)
        for i in range(6):
            pen.arc(start + i * 20, y - 4, start + i * 20 + 20, y + 6, 180, 360, (230, 250, 255), 1.6)
    pen.block(0, 68, 100, 100, _varied((246, 220, 150), rng, 8), 0)


def _snow(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((176, 194, 214), rng, 8), 0)
    x = rng.uniform(0, 100)
    pen.oval(x - 50, 60, x + 50, 130, (226, 234, 244), 0)
    pen.block(0, 76, 100, 100, (240, 244, 250), 0)
    for _ in range(22):
        pen.dot(rng.uniform(0, 100), rng.uniform(0, 80), 1.7, (255, 255, 255))


def _city(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((238, 196, 160), rng, 8), 0)
    x = rng.uniform(-12, 0)
    while x < 100:
        width, top = rng.uniform(16, 24), rng.uniform(8, 40)
        pen.block(x, top, x + width, 84, _varied((134, 130, 142), rng, 12), 1)
        for wx in range(int(x) + 4, int(x + width) - 4, 7):
            for wy in range(int(top) + 5, 76, 10):
                pen.block(wx, wy, wx + 3, wy + 5, (250, 236, 150), 0)
        x += width + 1
    pen.block(0, 82, 100, 100, _varied((92, 92, 98), rng, 8), 0)


def _home(pen: Pen, rng: random.Random) -> None:
    pen.block(0, 0, 100, 100, _varied((246, 214, 190), rng, 8), 0)
    for x in range(6, 100, 12):
        pen.line([(x, 0), (x, 78)], (236, 196, 170), 2)
    x = rng.choice((4, 70))
    pen.block(x, 6, x + 26, 34, (190, 226, 250), 2)
    pen.line([(x + 13, 6), (x + 13, 34)], INK, 1.6)
    pen.line([(x, 20), (x + 26, 20)], INK, 1.6)
    pen.block(0, 78, 100, 100, _varied((170, 116, 72), rng, 8), 0)
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
