"""The scene drawing as recorded shapes, so that the page draws fresh strips without a second copy of it.

Each subject in each colour, each object, place and arrangement is recorded a few times, with its variations.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

from PIL import ImageDraw

from gazecli.pictures.compose import GAP
from gazecli.tiny.objects import draw_object
from gazecli.tiny.panel import PANEL_SIZE, Canvas, Point, arrange
from gazecli.tiny.pen import Pen, Rgb
from gazecli.tiny.places import draw_place
from gazecli.tiny.scenes import ACTIONS, COLOURS, OBJECTS, PLACES, SUBJECTS
from gazecli.tiny.subjects import draw_subject

PANELS = 6
_UNITS = 100  # recorded numbers are whole hundredths of a pen's units
_SUBJECTS_EACH, _OBJECTS_EACH, _PLACES_EACH, _ARRANGEMENTS_EACH = 2, 3, 6, 6

Shape = list[Any]


class Tape:
    """Takes the calls of a pen, and keeps each as a shape.

    A shape is [kind, colour, coordinates], then where it has them line width, edge colour or -1, and angles.
    """

    def __init__(self) -> None:
        self.shapes: list[Shape] = []

    def ellipse(self, box: Sequence[float], fill: Rgb, outline: Rgb | None = None, width: int = 1) -> None:
        """An ellipse in its box."""
        self.shapes.append(["ellipse", _colour(fill), _whole(box), width, _colour(outline)])

    def rectangle(self, box: Sequence[float], fill: Rgb, outline: Rgb | None = None, width: int = 1) -> None:
        """A box."""
        self.shapes.append(["rectangle", _colour(fill), _whole(box), width, _colour(outline)])

    def polygon(self, points: Sequence[Point], fill: Rgb) -> None:
        """A polygon without an edge."""
        self.shapes.append(["polygon", _colour(fill), _flat(points), 1])

    def line(self, points: Sequence[Point], ink: Rgb, width: int, joint: str) -> None:
        """A thick line."""
        assert joint == "curve"
        self.shapes.append(["line", _colour(ink), _flat(points), width])

    def arc(self, box: Sequence[float], start: float, end: float, ink: Rgb, width: int) -> None:
        """Part of an ellipse's edge."""
        self.shapes.append(["arc", _colour(ink), _whole(box), width, -1, start, end])

    def pieslice(
        self, box: Sequence[float], start: float, end: float, fill: Rgb, outline: Rgb, width: int
    ) -> None:
        """A slice of an ellipse."""
        self.shapes.append(["pie", _colour(fill), _whole(box), width, _colour(outline), start, end])


class RecordedCanvas(Canvas):
    """A canvas that keeps which figure was placed where, among the shapes around them.

    A placed figure is [0 or 1, x, y, size, turn]: the subject or the thing.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.tape = Tape()
        self.pen = _pen(self.tape)

    def place(
        self,
        painter: Callable[[Pen], None],
        centre: Point,
        size: float,
        turn: float = 0.0,
        flip: bool = False,
    ) -> None:
        """Keep where a figure goes."""
        assert not flip
        x, y, units = _whole([each * _UNITS for each in (*centre, size)])
        self.tape.shapes.append([_FIGURES.index(painter), x, y, units, turn])


def _subject(_pen: Pen) -> None:
    """Stands for the subject of any scene."""


def _thing(_pen: Pen) -> None:
    """Stands for its object."""


_FIGURES = (_subject, _thing)


def recorded_drawings() -> dict[str, object]:
    """All there is to draw: names -> variants -> shapes, and the measures of a strip."""
    rng = random.Random("live")
    subjects = {
        subject: {
            colour: [_recorded(draw_subject, subject, colour, rng) for _ in range(_SUBJECTS_EACH)]
            for colour in COLOURS
        }
        for subject in SUBJECTS
    }
    objects = {name: [_recorded(draw_object, name, rng) for _ in range(_OBJECTS_EACH)] for name in OBJECTS}
    places = {name: [_recorded(draw_place, name, rng) for _ in range(_PLACES_EACH)] for name in PLACES}
    arrangements = {name: [_arranged(name, rng) for _ in range(_ARRANGEMENTS_EACH)] for name in ACTIONS}
    return {
        "side": PANEL_SIZE,
        "gap": GAP,
        "panels": PANELS,
        "subjects": subjects,
        "objects": objects,
        "places": places,
        "arrangements": arrangements,
    }


def _recorded(draw: Callable[..., None], *arguments: object) -> list[Shape]:
    tape = Tape()
    draw(_pen(tape), *arguments)
    return tape.shapes


def _arranged(action: str, rng: random.Random) -> list[Shape]:
    canvas = RecordedCanvas(rng)
    arrange(canvas, action, _subject, _thing)
    return canvas.tape.shapes


def _pen(tape: Tape) -> Pen:
    return Pen(cast("ImageDraw.ImageDraw", tape), _UNITS)


def _colour(rgb: Rgb | None) -> int:
    return -1 if rgb is None else rgb[0] << 16 | rgb[1] << 8 | rgb[2]


def _whole(numbers: Sequence[float]) -> list[int]:
    return [round(number) for number in numbers]


def _flat(points: Sequence[Point]) -> list[int]:
    return [round(number) for point in points for number in point]
