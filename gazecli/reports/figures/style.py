"""The style of all figures and how they become bytes: the same bytes for the same figure.

Colours come from Okabe and Ito and from one path from light to dark, so that figures read in grey and for
the colour-blind.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

COLUMN, PAGE = 3.4, 7.0  # inches: a column and a page of a paper
INK, FAINT, GRID = "#1b1f24", "#6e7781", "#d5d9de"
GAZE, OTHER, MARK = "#0072b2", "#9aa3ad", "#d55e00"
LIGHT_TO_DARK = "Blues"
DOTS_PER_INCH = 200
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    # DejaVu Sans comes with matplotlib; the others serve scripts it lacks, where a machine has them.
    "font.family": ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Microsoft YaHei"],
    # Letters stay letters: a paper's fonts can replace them, and a reader can search them.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "font.size": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "image.interpolation": "none",
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "svg.hashsalt": "gaze",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}
# What inline figures must not bring along: names of elsewhere, and ids that another figure has too.
_FOREIGN = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|\sxmlns(?::\w+)?=\"[^\"]*\"", re.DOTALL
)
_IDS = re.compile(r"(\bid=\"|href=\"#|url\(#)")


@contextmanager
def style() -> Iterator[None]:
    """Inside, figures are made and saved in the style of this package."""
    # Building a font cache is nothing that users can do anything about.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    settings: Any = {**matplotlib.rcParamsDefault, **_STYLE}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # it shows as a box
        yield


class ShownFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        return png_of(self)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches; call inside `style`."""
    return ShownFigure(figsize=(width, height), layout="constrained")


def png_of(figure: Figure, dpi: int = DOTS_PER_INCH) -> bytes:
    """The figure as PNG with `dpi` dots per inch, nothing of time or versions inside."""
    return _saved(figure, "png", {"Software": None}, dpi)


def pdf_of(figure: Figure) -> bytes:
    """The figure as PDF whose text is text, nothing of time or versions inside."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def svg_of(figure: Figure) -> str:
    """The figure as an SVG file whose text is text, nothing of time or versions inside."""
    drawn = _saved(figure, "svg", {"Date": None, "Creator": None}).decode("utf-8")
    # Where the named fonts are missing, any without serifs fits best.
    return drawn.replace("'Microsoft YaHei'", "'Microsoft YaHei', sans-serif")


def inline_svg(figure: Figure, name: str, caption: str) -> str:
    """The figure as an SVG element for a page: text stays text, every id begins with `name`.

    `caption` is escaped text, for screen readers.
    """
    drawn = _FOREIGN.sub("", svg_of(figure)).strip()
    drawn = _IDS.sub(lambda match: f"{match[1]}{name}-", drawn)
    drawn = drawn.replace("'DejaVu Sans'", "system-ui").replace("xlink:href", "href")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{caption}" ', drawn, count=1)


def _settle(figure: Figure) -> None:
    """Lay the figure out once: a second layout would move things by a hair, and bytes with them."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _saved(figure: Figure, form: str, metadata: dict[str, None], dpi: int | str = "figure") -> bytes:
    out = io.BytesIO()
    with style():
        _settle(figure)
        figure.savefig(out, format=form, dpi=dpi, metadata=metadata)
    return out.getvalue()


def count_axis(axes: Axes, which: str, length: int, first: int, label: str) -> None:
    """Name the places 0 … `length` - 1 of an axis by whole numbers from `first` on, as many as fit."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    places = [int(place) for place in MaxNLocator(12, integer=True).tick_values(0, max(length - 1, 1))]
    places = [place for place in places if 0 <= place < length]
    if length <= 16:
        places = list(range(length))
    axis.set_ticks(places, [str(place + first) for place in places])
    axis.set_label_text(label)


def colour_bar(figure: Figure, shown: AxesImage, axes: Any, label: str, **place: Any) -> None:
    """The key to the colours of `shown`, beside `axes`."""
    bar = figure.colorbar(shown, ax=axes, **place)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label)
