"""Figure of a heatmap: the panels one under the other, captions and legend as text."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gazecli.plain_text import visible
from gazecli.reports.figures.style import COLUMN, FAINT, PAGE, style
from gazecli.reports.heatmap import LEGENDS, Heatmap

_WIDE = 1.8  # from this ratio of width to height on, a picture takes a whole page's width
_TALLEST = 9.0  # inches
_LINE, _GAP, _EDGE = 0.14, 0.06, 0.04  # inches: a line of text, between panels, around all
_LETTERS_PER_INCH = 15


def heatmap_figure(heatmap: Heatmap) -> Figure:
    """As wide as a column, or as a page for strips; narrower where a page is not high enough."""
    panels = heatmap.panels()
    ratio = heatmap.image.width / heatmap.image.height
    width = PAGE if ratio >= _WIDE else COLUMN
    letters = int((width - 2 * _EDGE) * _LETTERS_PER_INCH)
    captions = [textwrap.wrap(" ".join(visible(each.caption).split()), letters) or [""] for each in panels]
    legend = textwrap.wrap(LEGENDS[0], letters)
    texts = _LINE * (sum(map(len, captions)) + len(legend)) + _GAP * len(panels) + 2 * _EDGE
    shown = min(width - 2 * _EDGE, (_TALLEST - texts) / max(len(panels), 1) * ratio)
    shown = max(shown, 0.5)
    height = texts + shown / ratio * len(panels)
    with style():
        figure = Figure(figsize=(width, height))
        top = height - _EDGE
        for panel, lines in zip(panels, captions, strict=True):
            figure.text(_EDGE / width, top / height, "\n".join(lines), va="top", fontsize=7, parse_math=False)
            top -= _LINE * len(lines)
            place = (_EDGE / width, (top - shown / ratio) / height, shown / width, shown / ratio / height)
            axes = figure.add_axes(place)
            axes.imshow(np.asarray(panel.image), aspect="auto")
            axes.set_axis_off()
            if panel.target is not None:
                x0, y0, x1, y1 = (float(edge) - 0.5 for edge in panel.target)
                axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, linewidth=1, clip_on=False))
            top -= shown / ratio + _GAP
        figure.text(_EDGE / width, top / height, "\n".join(legend), va="top", fontsize=6.5, color=FAINT)
    return figure
