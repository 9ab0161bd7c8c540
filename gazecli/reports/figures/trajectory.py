"""Figure of a trajectory: regions down, written tokens across, dark where the attention is.

Regions count from 1, tokens from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from gazecli.plain_text import visible
from gazecli.reports.figures.style import (
    FAINT,
    LIGHT_TO_DARK,
    MARK,
    PAGE,
    colour_bar,
    count_axis,
    new_figure,
    style,
)
from gazecli.reports.trajectory import Floats, Trajectory

_LETTERED = 100  # tokens whose words still fit under the axis
_LONGEST_WORD = 14


def trajectory_figure(trajectory: Trajectory) -> Figure:
    """The gaze heads' steps, below them the controls' if there are any; scheduled targets are framed."""
    rows = [("gaze heads", trajectory.steps)]
    if trajectory.controls is not None:
        rows.append(("control heads", trajectory.controls))
    regions, tokens = len(trajectory.numbers), len(trajectory.steps)
    lettered = tokens <= _LETTERED
    with style():
        height = len(rows) * max(0.9, 0.17 * regions) + (1.1 if lettered else 0.6)
        figure = new_figure(PAGE, height)
        grid = figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (title, steps) in zip(grid, rows, strict=True):
            drawn = _draw_row(axes, steps, trajectory)
            axes.set_title(title, loc="left")
            axes.tick_params(axis="x", length=0)
        _label_tokens(grid[-1], trajectory.pieces, lettered)
        colour_bar(figure, drawn, list(grid), "share of attention", shrink=0.9, pad=0.01, aspect=18)
    return figure


def _draw_row(axes: Axes, steps: Floats, trajectory: Trajectory) -> AxesImage:
    table = np.asarray(steps, dtype=float).T  # (regions, tokens)
    drawn = axes.imshow(table, cmap=LIGHT_TO_DARK, vmin=0, vmax=1, aspect="auto")
    axes.spines[:].set_visible(True)
    for place in range(1, len(table)):
        axes.axhline(place - 0.5, color="white", linewidth=0.8)
    for boundary in trajectory.breaks:
        axes.axvline(boundary - 0.5, color=FAINT, linewidth=0.6)
    for start, end, number in trajectory.targets:
        row = list(trajectory.numbers).index(number)
        axes.add_patch(
            Rectangle((start - 0.5, row - 0.5), end - start, 1, fill=False, edgecolor=MARK, linewidth=1.3)
        )
    axes.set_yticks(range(len(table)), [str(number) for number in trajectory.numbers])
    axes.set_ylabel("region")
    return drawn


def _label_tokens(axes: Axes, pieces: Sequence[str], lettered: bool) -> None:
    if not lettered:
        count_axis(axes, "x", len(pieces), 0, "written token")
        return
    words = [visible(piece.strip())[:_LONGEST_WORD] for piece in pieces]
    # A formula to matplotlib is plain text here.
    axes.set_xticks(range(len(words)), words, rotation=90, fontsize=5.5, parse_math=False)
    axes.tick_params(axis="x", length=0, pad=1.5)
    axes.set_xlabel(f"written tokens, 0 to {len(pieces) - 1}")
