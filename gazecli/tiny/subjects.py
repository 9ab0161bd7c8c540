"""The drawing of each of the ten subjects, in any of the eight colours."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from gazecli.tiny.pen import INK, Pen, Rgb, varied

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


def draw_subject(pen: Pen, subject: str, colour: str, rng: random.Random) -> None:
    """Draw a subject facing right, feet at the lower edge."""
    _SUBJECTS[subject](pen, varied(PAINT[colour], rng))


def _darker(colour: Rgb) -> Rgb:
    return (int(colour[0] * 0.72), int(colour[1] * 0.72), int(colour[2] * 0.72))


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
