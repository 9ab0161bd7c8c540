"""Figure of steered answers: the heads' attention on each target, unsteered and steered."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gazecli.reports.documents.results import SteerDocument
from gazecli.reports.figures.style import COLUMN, GAZE, OTHER, new_figure, style


def attention_moved(document: SteerDocument) -> Figure:
    """Two bars a region: mean attention of the steered heads on it, before and under steering."""
    numbers = [answer.region for answer in document.answers]
    places = np.arange(len(numbers))
    with style():
        figure = new_figure(max(COLUMN * 0.6, 0.55 * len(numbers) + 1.2), 2.2)
        axes = figure.subplots()
        before = [answer.attention_on_region.baseline for answer in document.answers]
        after = [answer.attention_on_region.steered for answer in document.answers]
        axes.bar(places - 0.2, before, 0.38, color=OTHER, label="unsteered")
        axes.bar(places + 0.2, after, 0.38, color=GAZE, label="steered")
        axes.set_xticks(places, [str(number) for number in numbers])
        axes.set_xlabel("region")
        axes.set_ylabel("attention on it")
        axes.set_ylim(0, 1)
        figure.legend(loc="outside upper center", ncols=2)
    return figure
