"""What a report's page says: summary, evaluation, pictures, scores, matrices, and how to repeat it.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from gazecli.reports.documents import ReportDocument
from gazecli.reports.evaluation_parts import ConditionPart, EvaluationPart
from gazecli.reports.page.assembly import Drawn, Section, Table, page_of
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
        sections.append(_evaluation(document.evaluation, pick))
    if scenes:
        sections.append(Section("pictures", "Pictures", scenes=scenes))
    sections += [
        Section(
            "heads", "Heads", figures=pick("scores", "histogram", "layers"), tables=_heads(document, shown)
        ),
        Section("matrices", "Matrices of the best heads", figures=pick("matrices")),
        Section("repeat", "To repeat this", _repeat(document)),
    ]
    kept = [part for part in sections if part.facts or part.figures or part.tables or part.scenes]
    return page_of(f"Gaze heads of {document.model.name}", kept, document.gaze)


def drawn_figures(document: ReportDocument) -> dict[str, tuple[str, str]]:
    """All figures there are data for: name -> SVG element and what it shows."""
    from gazecli.reports.figures.catalogue import figures_of
    from gazecli.reports.figures.drawing import inline_svg

    return {
        name: (inline_svg(figure, name, told), told) for name, (figure, told) in figures_of(document).items()
    }


def condition_label(condition: ConditionPart) -> str:
    """`gaze, top 5`, `control 2`, `all heads`, `unsteered`."""
    if condition.name == "gaze":
        return f"gaze, top {condition.k}"
    said = "all heads" if condition.name == "all" else condition.name.replace("_", " ")
    return said if condition.seed is None else f"{said} {condition.seed}"


def _picker(figures: Figures) -> Callable[..., list[Drawn]]:
    def pick(*names: str) -> list[Drawn]:
        # The figures are this package's own; what they carry of foreign text, the drawing has escaped.
        return [Drawn(Markup(figures[name][0]), figures[name][1]) for name in names if name in figures]  # noqa: S704

    return pick


def _summary(document: ReportDocument) -> dict[str, object]:
    model, suggested, honesty = document.model, document.suggested, document.honesty
    facts: dict[str, object] = {
        "model": f"{model.name}: {model.family}, {model.layers} x {model.heads} heads, {model.dtype}",
        "discovered on": f"{document.comics.strips} strips of {document.comics.panels} panels",
        "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
    }
    if honesty is not None:
        facts["label-shuffled null"] = f"95 % of draws stay below {honesty.null_95:.3f}"
        if honesty.split_half_overlap is not None:
            facts["split halves"] = f"{honesty.split_half_overlap} of the top {suggested.top} agree"
    return facts


def _repeat(document: ReportDocument) -> dict[str, object]:
    facts: dict[str, object] = {
        "head set": document.headset,
        "checkpoint": f"{document.model.id}, {document.model.digest}",
        "revision": document.model.revision,
        "comics": document.comics.digest,
        **{f"discovery: {name}": value for name, value in document.settings.model_dump().items()},
    }
    evaluation = document.evaluation
    if evaluation is not None:
        facts["evaluated on"] = evaluation.comics.digest
        facts |= {f"evaluation: {name}": value for name, value in evaluation.settings.model_dump().items()}
    return {name: value for name, value in {**facts, "gaze": document.gaze}.items() if value is not None}


def _evaluation(evaluation: EvaluationPart, pick: Callable[..., list[Drawn]]) -> Section:
    settings, choice = evaluation.settings, evaluation.choice
    facts: dict[str, object] = {
        "pictures": f"{evaluation.strips} of {evaluation.comics.strips}, chance {evaluation.chance:.3f}",
        "judge": evaluation.judge,
        "steering": f"strength {settings.strength:g}, {settings.mode}, scope {settings.scope}, "
        f"top {settings.top} by {settings.score}",
        "asked": settings.prompt,
        "ran on": f"{settings.device}, {settings.dtype}, seed {settings.seed}",
    }
    if choice is not None:
        facts["chosen"] = (
            f"{choice.k} heads, accuracy {_share(choice.accuracy)} on the {choice.strips} pictures "
        )
        facts["chosen"] = f"{facts['chosen']}that chose; everything else is measured on the others"
    tables = [_conditions(evaluation)]
    if evaluation.task == "dynamic":
        tables.append(_order(evaluation))
    return Section(
        "evaluation", f"Evaluation: {evaluation.task}", facts, pick("redirection", "regions", "sweep"), tables
    )


def _conditions(evaluation: EvaluationPart) -> Table:
    rows = [
        [
            condition_label(condition),
            condition.k,
            _share(condition.accuracy),
            f"{_share(condition.ci95[0])} to {_share(condition.ci95[1])}",
            *(_share(share) for share in condition.per_region),
            condition.abstained,
            condition.junk,
            condition.unchanged,
            condition.n,
        ]
        for condition in evaluation.conditions
    ]
    regions = max((len(condition.per_region) for condition in evaluation.conditions), default=0)
    panels = [f"panel {number}" for number in range(1, regions + 1)]
    columns = ["condition", "K", "accuracy", "95 % interval", *panels, "abstained", "junk", "unchanged", "n"]
    return Table("Accuracy by condition", columns, rows)


def _order(evaluation: EvaluationPart) -> Table:
    rows = [
        [condition_label(each), *map(_share, (each.natural, each.schedule_rho, each.natural_rho))]
        for each in evaluation.conditions
    ]
    columns = ["condition", "in reading order", "ρ with the schedule", "ρ with reading order"]
    return Table("Agreement with schedule and reading order", columns, rows)


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
