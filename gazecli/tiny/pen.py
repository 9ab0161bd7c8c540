"""A pen that draws on a square canvas in units of 0..100, and colours that vary a little."""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import ImageDraw

Rgb = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

INK: Rgb = (28, 26, 34)


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


def varied(colour: Rgb, rng: random.Random, spread: int = 14) -> Rgb:
    red, green, blue = (min(255, max(0, part + rng.randint(-spread, spread))) for part in colour)
    return (red, green, blue)
