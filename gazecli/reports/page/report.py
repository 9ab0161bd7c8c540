"""The sections of a page: of a report, and of one picture that was steered, switched or tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from gazecli.plain_text import whole
from gazecli.reports.documents.evaluation import EvaluationPart
from gazecli.reports.documents.results import PictureDocument, ReportDocument
from gazecli.reports.headline import headline
from gazecli.reports.page.html import Section, page_of
from gazecli.reports.page.scenes import Scene, SceneText
from gazecli.reports.repeat import repeat_commands
from gazecli.reports.tables import (
    Facts,
    against_facts,
    against_table,
    evaluation_facts,
    evaluation_tables,
    evaluation_title,
    heads_table,
    panels_table,
    repeat_facts,
    report_facts,
    selectors_table,
    summary_table,
    verdict,
)

Figures = Mapping[str, tuple[str, str]]


def report_page(
    document: ReportDocument, shown: int = 10, figures: Figures | None = None, scenes: Sequence[Scene] = ()
) -> str:
    """The page, with the `shown` best heads in its table.

    figures: name -> SVG element and caption, drawn from the document where left out. scenes: pictures
    of the evaluation.
    """
    drawn = drawn_figures(document) if figures is None else figures

    def pick(*names: str) -> list[tuple[Markup, str]]:
        # The figures are this package's own; what they carry of foreign text, the drawing has escaped.
        return [(Markup(drawn[name][0]), drawn[name][1]) for name in names if name in drawn]  # noqa: S704

    best = [heads_table(document, shown), heads_table(document)]
    sections = [_result(document, pick("redirection"))]
    for place, evaluation in enumerate(document.evaluations):
        tables = evaluation_tables(evaluation, panels=False)
        sections.append(
            Section(
                f"evaluation-{place}" if place else "evaluation",
                evaluation_title(evaluation),
                # What to be careful about stands at the result, which is of the newest.
                _without_notes(evaluation) if not place else evaluation_facts(evaluation),
                () if place else pick("regions", "sweep"),
                [*tables, panels_table(evaluation)],
            )
        )
    sections += [
        Section("heads", "Heads", report_facts(document), pick("scores", "histogram", "layers"), best),
        Section("matrices", "Matrices of the best heads", figures=pick("matrices")),
    ]
    if document.comparison is not None:
        tables = [selectors_table(document.comparison)]
        sections.append(Section("selectors", "Selectors side by side", {}, pick("selectors"), tables))
    if document.against is not None:
        tables = [table for table in [against_table(document.against)] if table.rows]
        facts = against_facts(document.against)
        sections.append(Section("against", "Against another head set", facts, tables=tables))
    sections += [
        Section("methods", "Methods", text=document.methods),
        Section("repeat", "To repeat this", repeat_facts(document), commands=repeat_commands(document)),
        Section("pictures", "Pictures", scenes=_judged_scenes(document.evaluation, scenes)),
    ]
    kept = [part for part in sections if part.has_content]
    return page_of(f"Gaze heads of {document.model.name}", kept, document.gaze)


def _result(document: ReportDocument, figures: Sequence[tuple[Markup, str]]) -> Section:
    """What was found and what it means, on one screen."""
    evaluation = document.evaluation
    found = headline(evaluation)
    if evaluation is None:
        return Section("result", "Result", headline=found)
    notes = [_sentence(text) for name, text in evaluation_facts(evaluation).items() if _is_note(name)]
    tables = [table for table in [summary_table(evaluation)] if table.rows]
    return Section("result", "Result", figures=figures, tables=tables, headline=found, notes=notes)


def _is_note(fact: str) -> bool:
    return fact == "careful" or fact.startswith("advice")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _without_notes(evaluation: EvaluationPart) -> Facts:
    return {name: text for name, text in evaluation_facts(evaluation).items() if not _is_note(name)}


def drawn_figures(document: ReportDocument) -> dict[str, tuple[str, str]]:
    """All figures there are data for: name -> SVG element and caption."""
    from gazecli.reports.figures import figures_of
    from gazecli.reports.figures.style import inline_svg

    return {
        name: (inline_svg(figure, name, caption), caption)
        for name, (figure, caption) in figures_of(document).items()
    }


def _judged_scenes(evaluation: EvaluationPart | None, scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes, with what the judge made of each text that was judged."""
    if evaluation is None or not evaluation.conditions:
        return list(scenes)
    known = {
        (part.name, answer.region, " ".join(answer.text.split())): answer
        for part in evaluation.examples
        for answer in part.answers
    }

    def judged(name: str, text: SceneText) -> SceneText:
        words = whole(" ".join("".join(text.pieces).split()))
        answer = known.get((whole(name), text.target or 0, words))
        if answer is None:
            return text
        return replace(text, verdict=verdict(answer), right=answer.described == answer.region)

    return [replace(scene, steered=[judged(scene.name, text) for text in scene.steered]) for scene in scenes]


def picture_page(document: PictureDocument, scene: Scene, title: str) -> str:
    """The page of one picture that was steered, switched or tracked."""
    facts: dict[str, object] = {
        "model": f"{document.model.name}: {document.model.family}, {document.model.dtype}",
        "id": document.model.id,
        "checkpoint": document.model.digest,
        "head set": document.headset,
        "heads": ", ".join(f"{layer}.{head}" for layer, head in document.heads) + " (layer.head, from 0)",
        "picture": f"sha256 {document.picture.sha256}",
        "prompt": document.prompt,
        **document.settings.model_dump(),
    }
    sections = [
        Section("picture", "Attention of the heads", text=" ".join(document.warnings), scenes=[scene]),
        Section("repeat", "To repeat this", facts),
    ]
    return page_of(title, sections, document.gaze)
