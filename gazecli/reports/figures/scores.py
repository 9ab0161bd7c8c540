"""Figures of a head set: the score map, scores beside the null, matrices of the best heads, the layers.

Layers and heads count from 0, panels from 1.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.figures.style import (
    COLUMN,
    GAZE,
    INK,
    LIGHT_TO_DARK,
    MARK,
    OTHER,
    PAGE,
    colour_bar,
    count_axis,
    new_figure,
    style,
)

_LARGEST_MAP = 7.0  # inches
_MATRICES = 12


def score_map(document: ReportDocument) -> Figure:
    """Every head's score by the suggested score, layers down, heads across; suggested heads are framed."""
    model, score = document.model, document.suggested.score
    grid = np.full((model.layers, model.heads), np.nan)
    for head in document.heads:
        grid[head.layer, head.head] = getattr(head, score)
    cell = min(0.22, (_LARGEST_MAP - 1.2) / max(model.layers, model.heads))
    with style():
        figure = new_figure(max(model.heads * cell + 1.3, 2.4), max(model.layers * cell + 0.7, 1.5))
        axes = figure.subplots()
        shown = axes.imshow(grid, cmap=LIGHT_TO_DARK, vmin=0, vmax=max(float(np.nanmax(grid)), 1e-9))
        for head in document.heads[: document.suggested.top]:
            corner = (head.head - 0.5, head.layer - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=MARK, linewidth=0.9))
        axes.spines[:].set_visible(True)
        count_axis(axes, "x", model.heads, 0, "head")
        count_axis(axes, "y", model.layers, 0, "layer")
        colour_bar(figure, shown, axes, f"{score} score", shrink=0.9, pad=0.03)
    return figure


def score_histogram(document: ReportDocument) -> Figure | None:
    """How many heads have which raw score, beside what shuffled labels give; None without that null."""
    counted = document.histogram
    if counted is None:
        return None
    edges, heads, null = (np.array(part) for part in (counted.edges, counted.heads, counted.null))
    with style():
        figure = new_figure(COLUMN, 2.2)
        axes = figure.subplots()
        axes.stairs(heads, edges, fill=True, color=GAZE, alpha=0.85, label="heads")
        axes.stairs(null, edges, color=INK, linewidth=1.1, linestyle="--", label="labels shuffled (mean)")
        if document.honesty is not None:
            axes.axvline(document.honesty.null_95, color=MARK, linewidth=1.1)
            axes.annotate(
                "95 % of the null\nlie below",
                (document.honesty.null_95, 0.62),
                xycoords=("data", "axes fraction"),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(0, None)
        most = max(heads.max(), null.max())
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= most]
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel("raw score")
        axes.set_ylabel("heads (log scale above 1)")
        axes.legend(loc="upper right")
    return figure


def matrices(document: ReportDocument) -> Figure | None:
    """Mean attention of the best heads: rows are panels asked about, columns panels attended to."""
    shown = document.matrices[:_MATRICES]
    if not shown:
        return None
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    highest = max(max(map(max, part.matrix)) for part in shown)
    panels = len(shown[0].matrix)
    with style():
        figure = new_figure(PAGE if across > 2 else COLUMN, 0.5 + down * (1.65 if across > 2 else 1.5))
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, part in zip(grid.flat, shown, strict=False):
            drawn = axes.imshow(np.array(part.matrix), cmap=LIGHT_TO_DARK, vmin=0, vmax=max(highest, 1e-9))
            axes.spines[:].set_visible(True)
            axes.set_title(f"layer {part.layer} head {part.head}")
            count_axis(axes, "x", panels, 1, "")
            count_axis(axes, "y", panels, 1, "")
        figure.supxlabel("panel attended to", fontsize=8)
        figure.supylabel("panel asked about", fontsize=8)
        colour_bar(figure, drawn, grid, "mean attention", shrink=0.8, pad=0.02, aspect=30)
    return figure


def layers(document: ReportDocument) -> Figure | None:
    """How many of the suggested heads lie in each layer, and the best score there."""
    rows = document.layers
    if not rows:
        return None
    numbers = [row.layer for row in rows]
    with style():
        figure = new_figure(COLUMN, 2.4)
        upper, lower = figure.subplots(2, 1, sharex=True)
        upper.bar(numbers, [row.heads_in_top for row in rows], color=GAZE, width=0.8)
        upper.set_ylabel(f"heads in\nthe top {document.suggested.top}")
        upper.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        lower.bar(numbers, [row.best for row in rows], color=OTHER, width=0.8, label="best")
        lower.plot(numbers, [row.mean for row in rows], "o", color=INK, markersize=2.5, label="mean")
        lower.set_ylabel(f"{document.suggested.score} score")
        lower.set_ylim(0, None)
        lower.legend(loc="upper left", ncols=2)
        count_axis(lower, "x", max(numbers) + 1, 0, "layer")
    return figure
