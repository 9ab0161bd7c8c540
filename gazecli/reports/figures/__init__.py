"""Figures for papers and pages: data in, a matplotlib figure out; those of a report by name."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.figures import evaluation, scores

FIGURES: dict[str, tuple[Callable[[ReportDocument], Figure | None], str]] = {
    "scores": (scores.score_map, "Score of every head; the suggested ones are framed"),
    "histogram": (scores.score_histogram, "Scores beside those with shuffled labels"),
    "matrices": (scores.matrices, "Mean attention of the best heads on each panel"),
    "layers": (scores.layers, "How the suggested heads spread over the layers"),
    "redirection": (evaluation.redirection, "Accuracy by condition, with 95 % intervals over pictures"),
    "regions": (evaluation.regions, "Accuracy by panel"),
    "selectors": (evaluation.selectors, "Accuracy with the best heads by each selector"),
    "sweep": (evaluation.sweep, "Accuracy over the number of heads, with 95 % intervals"),
}


def figures_of(document: ReportDocument) -> dict[str, tuple[Figure, str]]:
    """Name -> figure and caption, for all figures there are data for."""
    drawn = {name: (draw(document), caption) for name, (draw, caption) in FIGURES.items()}
    return {name: (figure, caption) for name, (figure, caption) in drawn.items() if figure is not None}
