"""All figures of a report by name; those without data are left out.

Knows nothing of what they look like.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.figures import evaluation as redirection
from gazecli.reports.figures import scores as discovery

FIGURES: dict[str, tuple[Callable[[ReportDocument], Figure | None], str]] = {
    "scores": (discovery.score_map, "Score of every head; the suggested ones are framed"),
    "histogram": (discovery.score_histogram, "Scores beside those with shuffled labels"),
    "matrices": (discovery.matrices, "Mean attention of the best heads on each panel"),
    "layers": (discovery.layers, "How the suggested heads spread over the layers"),
    "redirection": (redirection.redirection, "Accuracy by condition, with 95 % intervals over pictures"),
    "regions": (redirection.regions, "Accuracy by panel"),
    "selectors": (redirection.selectors, "Accuracy with the best heads by each selector"),
    "sweep": (redirection.sweep, "Accuracy over the number of heads, with 95 % intervals"),
}


def figures_of(document: ReportDocument) -> dict[str, tuple[Figure, str]]:
    """Name -> figure and what it shows, for all figures there are data for."""
    drawn = {name: (draw(document), told) for name, (draw, told) in FIGURES.items()}
    return {name: (figure, told) for name, (figure, told) in drawn.items() if figure is not None}
