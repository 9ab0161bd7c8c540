"""What a report's page says: summary, evaluation, pictures, scores, matrices, and how to repeat it.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from gazecli.reports.documents.results import (
    ReportDocument,
    SteerDocument,
    SwitchDocument,
    TrackDocument,
    to_repeat,
)
from gazecli.reports.page.assembly import Drawn, Section, Table, page_of
from gazecli.reports.page.evaluation import Pick, evaluation_section, judged_scenes, selectors_section
from gazecli.reports.page.scenes import Scene

Figures = Mapping[str, tuple[str, str]]


def report_page(
    document: ReportDocument, shown: int = 10, figures: Figures | None = None, scenes: Sequence[Scene] = ()
) -> str:
    """The page, with the `shown` best heads in its table.

    figures: name -> SVG element and what it shows, drawn from the document where left out. scenes: pictures
    of the evaluation.
    """
    drawn = drawn_figures(document) if figures is None else figures
    pick = _picker(drawn)
    sections = [Section("summary", "Summary", _summary(document))]
    if document.evaluation is not None:
        sections.append(evaluation_section(document.evaluation, pick))
    if document.comparison is not None:
        sections.append(selectors_section(document.comparison, pick))
    if scenes:
        sections.append(Section("pictures", "Pictures", scenes=judged_scenes(document.evaluation, scenes)))
    sections += [
        Section(
            "heads", "Heads", figures=pick("scores", "histogram", "layers"), tables=_heads(document, shown)
        ),
        Section("matrices", "Matrices of the best heads", figures=pick("matrices")),
        Section("repeat", "To repeat this", to_repeat(document)),
    ]
    kept = [part for part in sections if part.facts or part.figures or part.tables or part.scenes]
    return page_of(f"Gaze heads of {document.model.name}", kept, document.gaze)


def drawn_figures(document: ReportDocument) -> dict[str, tuple[str, str]]:
    """All figures there are data for: name -> SVG element and what it shows."""
    from gazecli.reports.figures.catalogue import figures_of
    from gazecli.reports.figures.style import inline_svg

    return {
        name: (inline_svg(figure, name, told), told) for name, (figure, told) in figures_of(document).items()
    }


def _picker(figures: Figures) -> Pick:
    def pick(*names: str) -> list[Drawn]:
        # The figures are this package's own; what they carry of foreign text, the drawing has escaped.
        return [Drawn(Markup(figures[name][0]), figures[name][1]) for name in names if name in figures]  # noqa: S704

    return pick


def _summary(document: ReportDocument) -> dict[str, object]:
    model, suggested, honesty = document.model, document.suggested, document.honesty
    facts: dict[str, object] = {
        "model": f"{model.name}: {model.family}, {model.layers} x {model.heads} heads, {model.dtype}",
        **_origin(document),
        "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
    }
    if honesty is not None:
        facts["label-shuffled null"] = f"95 % of draws stay below {honesty.null_95:.3f}"
        if honesty.split_half_overlap is not None:
            facts["split halves"] = f"{honesty.split_half_overlap} of the top {suggested.top} agree"
    return facts


def _origin(document: ReportDocument) -> dict[str, object]:
    comics, imported = document.comics, document.imported
    if imported is None:
        return {"discovered on": f"{comics.strips} strips of {comics.panels} panels"}
    ranking = f"a ranking of {imported.heads} heads, sha256:{imported.sha256}"
    return {"imported": ranking, "lacks": ", ".join(imported.lacks)}


def _heads(document: ReportDocument, shown: int) -> list[Table]:
    rows = [
        [f"layer {h.layer} head {h.head}", *map(_share, (h.raw, h.selectivity, h.image_mass))]
        for h in document.heads
    ]
    columns = ["head", "raw", "selectivity", "image mass"]
    best = Table(f"The best {min(shown, len(rows))} heads", columns, rows[:shown])
    return [best, Table(f"All {len(rows)} heads", columns, rows, folded=True)]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def picture_page(document: SteerDocument | SwitchDocument | TrackDocument, scene: Scene, title: str) -> str:
    """The whole page."""
    settings = document.settings.model_dump()
    facts: dict[str, object] = {
        "model": f"{document.model.name}: {document.model.family}, {document.model.dtype}",
        "id": document.model.id,
        "checkpoint": document.model.digest,
        "head set": document.headset,
        "heads": ", ".join(f"{layer}.{head}" for layer, head in document.heads) + " (layer.head, from 0)",
        "picture": f"sha256 {document.picture.sha256}",
        "asked": document.prompt,
        **settings,
    }
    sections = [
        Section("picture", "Where the heads look", scenes=[scene]),
        Section("repeat", "To repeat this", facts),
    ]
    return page_of(title, sections, document.gaze)
