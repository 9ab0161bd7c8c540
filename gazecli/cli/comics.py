"""`gaze comics make` draws strips, `check` reads every strip of a folder, `fetch` gets published ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.options import (
    DATASET,
    FORCE,
    SEED,
    Layout,
    Revision,
    Rtl,
    Spread,
    StripPanels,
    with_help,
)
from gazecli.cli.output import Output, is_terminal, progress, resumable
from gazecli.cli.tables import print_facts, print_table
from gazecli.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.housekeeping import ComicsDocument

NAME = "comics"
SUMMARY = "Draw comic strips, fetch published ones, or check a folder of them."
_PAPERS = "baulab/openai-comic-strips"


@cli_command()
def make(
    output: Output,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to draw into; made when missing.")],
    *,
    count: Annotated[int, typer.Option(help="How many strips.")] = 40,
    seed: Annotated[int, with_help(SEED, "The same seed draws the same strips.")] = 1,
    panels: StripPanels = 6,
    split: Annotated[
        Literal["test", "train", "all"],
        typer.Option(
            metavar="SPLIT",
            help="all: as they come, a tenth of the scenes in combinations `tiny` never saw · test: only such"
            " · train: none such.",
        ),
    ] = "all",
    force: Annotated[bool, with_help(FORCE, "Replace strips that are there already.")] = False,
) -> None:
    """Draw fresh comic strips with captions, as the model `tiny` knows them.

    Example: gaze comics make comics/ --count 20 --seed 7
    """
    from gazecli.api import comics

    with progress(output, "drawing", "strips") as step:
        document = comics.make(dest, count, seed=seed, panels=panels, split=split, force=force, progress=step)
    output.result(document, lambda console: _show(console, document), digest=document.digest)


@cli_command()
def check(
    output: Output,
    comics: Annotated[Path, typer.Argument(metavar="COMICS", help="A folder of comics.")],
    *,
    panels: StripPanels = 6,
    layout: Layout = None,
    rtl: Rtl = False,
    spread: Spread = False,
) -> None:
    """Read every strip of a folder: its panels, whether it can be used, and what to rename.

    A folder of comics has one of four forms; --layout names it, or it is recognised.

    \b
    panels                raw                     strips      manifest
    comics/               comics/                 comics/     comics/
      monday/               batman/                 a.png       strips.jsonl
        p1.png … p6.png       12_1.jpg 12_2.jpg …   b.jpg       a.png
        captions.txt          13_1.jpg …            b.txt       b.png
      tuesday/ …            superman/ …

    \b
    raw           page_panel, as in the COMICS corpus
    strips        whole strips or pages; their panels are found
    strips.jsonl  a line for each strip:
                  {"image": "a.png", "regions": [[0, 0, 60, 56], …]}
    captions.txt, b.txt  a caption for each panel, one a line; or none

    Example: gaze comics check comics/ --panels 4
    """
    from gazecli.api.comics import check

    with progress(output, "reading", "strips") as step:
        document = check(comics, panels=panels, layout=layout, rtl=rtl, spread=spread, progress=step)
    for warning in document.warnings:
        output.warning(warning)
    output.result(document, lambda console: _show(console, document))


@cli_command()
def fetch(
    output: Output,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder for them; made when missing.")],
    *,
    dataset: Annotated[
        str,
        with_help(DATASET, "A data set on the Hub.", default=f"{_PAPERS}, the paper's 500 strips"),
    ] = _PAPERS,
    revision: Revision = None,
) -> None:
    """Fetch published comics from the Hub, each picture checked, with license and commit noted beside them.

    A second call does nothing, an interrupted one goes on. Reading them needs pyarrow: pip install
    'gazecli[data]'.

    Example: gaze comics fetch authors-comics/
    """
    from gazecli.api import comics

    output.detail(f"fetching {dataset}")
    with resumable(output, "every comic written so far"), progress(output, "writing", "comics") as step:
        document = comics.fetch(
            dest,
            dataset,
            revision,
            progress=step,
            show_transfer=not output.quiet and is_terminal(sys.stderr),
        )
    output.result(document, lambda console: _show(console, document), digest=document.digest)


def _hints(document: ComicsDocument) -> dict[str, list[str]]:
    """What would let in which strips."""
    hints: dict[str, list[str]] = {}
    for skip in document.skipped:
        if skip.hint is not None:
            hints.setdefault(skip.hint, []).append(skip.path)
    return hints


COMMANDS = (make, check, fetch)


def _show(console: Console, document: ComicsDocument) -> None:
    strips = f"{document.strips} of {document.panels} panels, {document.captioned} with captions"
    where = {"comics": document.path, "layout": document.layout, "strips": strips}
    source = document.source
    if source is not None:
        where["from"] = f"{source.dataset} at {source.revision[:12]}"
        where["license"] = source.license or "the data set's card names none"
    each = [f"{part.panels} in {part.strips}" for part in document.histogram]
    if each:
        each[0] += " strip" if document.histogram[0].strips == 1 else " strips"
    if document.found:
        uncounted = sum(part.panels is None for part in document.found)
        where["panels found"] = ", ".join(each + [f"not counted in {uncounted}"] * bool(uncounted))
    print_facts(console, {**where, "seed": document.seed, "digest": document.digest})
    if document.found:
        console.print()
        why = {skip.path: skip.reason for skip in document.skipped}
        rows: list[list[object]] = [[part.strip, part.panels, why.get(part.strip)] for part in document.found]
        print_table(console, "strip >panels skipped_because", rows)
        for hint, names in _hints(document).items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            console.print(f"to use {visible(names[0])}{more}: {visible(hint)}", soft_wrap=True)
    elif document.skipped:
        print_table(console, "skipped why", [[skip.path, skip.reason] for skip in document.skipped])
