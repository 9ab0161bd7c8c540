"""`gaze report [HEADSET]`: what a head set is and, with --evaluate, how well it steers; made for pipes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command, works_alone, writes
from gazecli.cli.evaluate import run_evaluation
from gazecli.cli.evaluate_options import (
    Annotations,
    Compare,
    Generations,
    Images,
    Judge,
    MinArea,
    Rejudge,
    Wanted,
    check_combination,
)
from gazecli.cli.files import save_figures, save_text, writable, writable_folder
from gazecli.cli.inputs import ChosenHeads, choose_heads
from gazecli.cli.options import (
    TOP,
    Evaluate,
    EvaluatedEvery,
    EvaluatedLayout,
    EvaluatedMode,
    EvaluatedPrompt,
    EvaluatedSamples,
    EvaluatedScope,
    EvaluatedSeed,
    EvaluatedStrength,
    EvaluatedTokens,
    HeadOptions,
    ModelOptions,
    Score,
    Sweep,
    Task,
    number_or_auto,
    with_help,
)
from gazecli.cli.output import Output, console_on, write_page
from gazecli.cli.tables import show_report
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.reports.documents.evaluation import ComparisonPart
    from gazecli.reports.documents.results import ReportDocument
    from gazecli.reports.page.scenes import Scene

NAME = "report"
SHOWN = 10
_PAGES = ("html", "markdown", "csv")
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv"}


@cli_command(shared=True, pages=True)
def command(
    output: Output,
    headset: Annotated[
        str | None,
        typer.Argument(metavar="[HEADSET]", help="A digest, file or model; else the one used last."),
    ] = None,
    *,
    loading: ModelOptions,
    destination: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file; .html, .md and .csv say how.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every figure there are data for to DIR, as SVG and PNG."),
    ] = None,
    top: Annotated[
        str, with_help(TOP, "How many heads to show and, with --evaluate, to steer: auto or a number.")
    ] = "auto",
    compare: Compare = False,
    evaluate: Evaluate = None,
    task: Task = None,
    sweep: Sweep = False,
    every: EvaluatedEvery = None,
    samples: EvaluatedSamples = None,
    seed: EvaluatedSeed = None,
    prompt: EvaluatedPrompt = None,
    max_new_tokens: EvaluatedTokens = None,
    layout: EvaluatedLayout = None,
    score: Score = "auto",
    strength: EvaluatedStrength = None,
    mode: EvaluatedMode = None,
    scope: EvaluatedScope = None,
    judge: Judge = None,
    generations: Generations = None,
    rejudge: Rejudge = None,
    annotations: Annotations = None,
    images: Images = None,
    min_area: MinArea = None,
) -> None:
    """Show what a head set is and, with --evaluate, how well it steers.

    An answer counts when, of the strip's captions, its words fit the one of the panel the heads were pointed
    at. Beside the best heads stand five draws of others from the same layers, all heads, and none; and the
    same heads made blind while the model is asked about each panel. Processes started by torchrun or
    accelerate launch share the pictures.

    Example: gaze report --evaluate comics/ --samples 20 -o report.html
    """
    writable(destination, "--output")
    writable(generations, "--generations")
    writable_folder(figures, "--figures")
    form = _format_of(output, destination)
    shown = number_or_auto(top, "--top") or SHOWN
    wanted = Wanted(
        task=task,
        sweep=sweep,
        every=every,
        samples=samples,
        seed=seed,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        layout=layout,
        strength=strength,
        mode=mode,
        scope=scope,
        **vars(loading),
        judge=judge,
        generations=generations,
        rejudge=rejudge,
        annotations=annotations,
        images=images,
        min_area=min_area,
        compare=compare,
    )
    if form == "csv" and evaluate is None and not compare and top != "auto":
        raise UsageError(
            "--top cannot matter in CSV, which lists every head", subject=top, hint="leave it out"
        )
    check_combination(evaluate, wanted, top, score)
    if (evaluate is None or rejudge is not None) and not works_alone(output):
        return
    document, scenes = _document(output, headset, evaluate, wanted, top, score, shown, form == "html")
    if not writes():
        return
    if figures is not None:
        document = save_figures(document, figures)
        output.note(f"figures: {', '.join(document.figures)}")
    if destination is not None:
        save_text(_as_text(document, form, shown, scenes, indent=2), destination)
        output.note(f"written to {output}")
    elif form in _PAGES:
        write_page(_as_text(document, form, shown, scenes))
    else:
        output.result(document, lambda console: show_report(console, document, shown))


def _document(
    output: Output,
    headset: str | None,
    evaluate: Path | None,
    wanted: Wanted,
    top: str,
    score: Score,
    shown: int,
    with_scenes: bool,
) -> tuple[ReportDocument, list[Scene]]:
    from gazecli.reports.headset import report_document

    if wanted.rejudge is not None:
        from gazecli.cli.evaluate import rejudge

        found, part = rejudge(output, headset, evaluate, wanted.rejudge, wanted)
        return report_document(found, shown, part), []
    counted = top if evaluate is not None or wanted.compare else "auto"
    aim = choose_heads(output, HeadOptions(headset, counted, score))
    if evaluate is not None:
        done = run_evaluation(output, aim, evaluate, wanted, with_scenes)
        return report_document(done.headset, shown, done.part, done.comparison), done.scenes
    return report_document(aim.headset, shown, None, _compared(aim) if wanted.compare else None), []


def _compared(aim: ChosenHeads) -> ComparisonPart:
    # Brings torch along, which a report of what is kept has no use for.
    from gazecli.reports.evaluation import unsteered_comparison

    return unsteered_comparison(aim.headset, len(aim.heads))


def _format_of(output: Output, destination: Path | None) -> str:
    """What was asked for in words, else what the file's name says, else what suits the place."""
    if destination is None or output.asked_for_format:
        return output.format
    return _SUFFIXES.get(destination.suffix.lower(), "json")


def _as_text(
    document: ReportDocument, form: str, shown: int, scenes: list[Scene], indent: int | None = None
) -> str:
    if form == "html":
        from gazecli.reports.page.report import report_page

        return report_page(document, shown, scenes=scenes)
    if form == "markdown":
        from gazecli.reports.markdown import report_markdown

        return report_markdown(document, shown)
    if form == "csv":
        from gazecli.reports.csv_table import report_csv

        return report_csv(document)
    if form == "json":
        return document.json_text(indent=indent)
    page = io.StringIO()
    show_report(console_on(page, plain=True), document, shown)
    return page.getvalue()
