"""`gaze report [HEADSET]`: what a head set is; made for pipes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.manners import with_manners
from gazecli.cli.output_files import save_text, writable
from gazecli.cli.settings import setting
from gazecli.cli.streams import WIDTH_OF_PIPES, Streams
from gazecli.cli.tables import bar, print_facts, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents import ReportDocument

NAME = "report"


@with_manners
def command(
    streams: Streams,
    headset: Annotated[
        str | None,
        typer.Argument(metavar="[HEADSET]", help="A digest, file or model; else the one used last."),
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many heads to show, with their matrices.")] = 10,
) -> None:
    """Show what a head set is and whether to trust it."""
    from gazecli.cache import Cache
    from gazecli.heads.shelf import find_headset, last_headset
    from gazecli.reports.headsets import report_document

    writable(output, "--output")
    cache = Cache(warn=streams.warning)
    spec = headset or setting("model", None)
    found = find_headset(spec, cache) if spec else last_headset(cache)
    document = report_document(found, top)
    if output is None:
        streams.result(document, lambda console: _show(console, document, top))
        return
    save_text(_as_text(streams, document, top), output)
    streams.note(f"written to {output}")


def _as_text(streams: Streams, document: ReportDocument, top: int) -> str:
    if streams.format == "json" or not streams.asked_for_format:
        return document.json_text(indent=2)
    from rich.console import Console

    page = Console(file=io.StringIO(), width=WIDTH_OF_PIPES, color_system=None, highlight=False, markup=False)
    _show(page, document, top)
    text: str = page.file.getvalue()  # type: ignore[attr-defined]
    return text


def _show(console: Console, document: ReportDocument, top: int) -> None:
    model, suggested, honesty = document.model, document.suggested, document.honesty
    print_facts(
        console,
        {
            "head set": document.headset,
            "model": f"{model.name}, {model.family}, {model.dtype}",
            "comics": f"{document.comics.strips} strips of {document.comics.panels} panels",
            "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
            "shuffled labels": f"95 % of draws stay below {honesty.null_95:.3f}" if honesty else None,
            "split halves": _halves(document),
        },
    )
    console.print()
    rows: list[list[object]] = [
        [h.layer, h.head, f"{h.raw:.3f}", f"{h.selectivity:.3f}", f"{h.image_mass:.3f}", bar(h.raw)]
        for h in document.heads[:top]
    ]
    print_table(console, ">layer >head >raw >selectivity >image_mass raw_score", rows)
    console.print()
    layers: list[list[object]] = [
        [row.layer, row.heads_in_top, f"{row.best:.3f}", f"{row.mean:.3f}", bar(row.best)]
        for row in document.layers
    ]
    print_table(console, ">layer >heads_in_top >best >mean best_score", layers)


def _halves(document: ReportDocument) -> str | None:
    honesty = document.honesty
    if honesty is None or honesty.split_half_overlap is None:
        return None
    agree = f"{honesty.split_half_overlap} of the top {document.suggested.top} agree"
    return agree if honesty.split_half_r is None else f"{agree}, r = {honesty.split_half_r:.3f}"
