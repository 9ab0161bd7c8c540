"""In which format, and to which files, `report`, `evaluate` and `judge` write what they found."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from gazecli.cli.files import FORCING, check_dpi, is_stdout, save_text, writable, writable_figures
from gazecli.cli.options import DPI, OUTPUT, ForceFiles, with_help
from gazecli.cli.output import Output, Printable, console_on, write_page
from gazecli.cli.tables import labelled, show_evaluation_document, show_report
from gazecli.reports.files import PAGES, SHOWN, format_of, report_text, save_figures

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.evaluation import EvaluationDocument
    from gazecli.reports.documents.results import ReportDocument
    from gazecli.reports.page.scenes import Scene


@dataclass(frozen=True)
class ReportOptions:
    """Files to write; UsageError, before work starts, for one that could not be written.

    forcing: how a file that is read-only is replaced all the same.
    """

    forcing: ClassVar[str] = FORCING

    destination: Annotated[
        Path | None, with_help(OUTPUT, "Write to this file; .html, .md, .csv and .tex say how.")
    ] = None
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="Write every figure to DIR, as SVG, PDF and PNG."),
    ] = None
    dpi: Annotated[int | None, DPI] = None
    force: ForceFiles = False

    def __post_init__(self) -> None:
        if is_stdout(self.destination):
            object.__setattr__(self, "destination", None)
        check_dpi(self.dpi, self.figures is not None, "--figures")
        writable(self.destination, "--output", force=self.force, forcing=self.forcing)
        writable_figures(self.figures, "--figures", force=self.force, forcing=self.forcing)

    def format(self, output: Output) -> str:
        """The format given, else what the file's name says, else what suits the place."""
        if self.destination is None or output.asked_for_format:
            return output.format
        return format_of(self.destination)


def write_report(
    output: Output,
    options: ReportOptions,
    report: ReportDocument,
    shown: int = SHOWN,
    scenes: Sequence[Scene] = (),
    evaluations: Sequence[EvaluationDocument] = (),
) -> None:
    """Write `report` with its `shown` best heads and its figures.

    Where there are `evaluations`, these are what is printed as JSON and as tables, one after the other.
    """
    from gazecli.cache import Cache
    from gazecli.reports.tables import headline

    if options.figures is not None:
        report = save_figures(report, options.figures, options.dpi)
        output.note(f"figures: {', '.join(report.figures)}")
        evaluations = [each.model_copy(update={"figures": report.figures}) for each in evaluations]
    form, destination = options.format(output), options.destination
    cache = Cache(warn=output.warning)
    shows: list[tuple[Printable, Callable[[Console], None], str | None]] = [
        (each, partial(show_evaluation_document, document=labelled(each, cache)), each.digest)
        for each in evaluations
    ] or [(report, partial(show_report, document=labelled(report, cache), shown=shown), None)]
    if destination is None and form not in PAGES:
        for document, human, digest in shows:
            output.result(document, human, digest=digest)
        return
    if form in PAGES:
        text = report_text(report, form, shown, scenes)
    elif form == "json":
        text = "".join(document.json_text(indent=2 if len(shows) == 1 else None) for document, _, _ in shows)
    else:
        page = io.StringIO()
        for _, human, _ in shows:
            human(console_on(page, plain=True))
        text = page.getvalue()
    if destination is None:
        write_page(text)
    else:
        save_text(text, destination)
        if report.evaluation is not None and (found := headline(report.evaluation)) is not None:
            output.note(found)
        output.note(f"written to {destination}")
