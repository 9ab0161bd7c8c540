"""`gaze comics make` draws strips, `check` reads every strip of a folder, `fetch` gets published ones."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
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
from gazecli.cli.output import Output, is_terminal, progress
from gazecli.cli.tables import print_facts, print_table
from gazecli.errors import BadInput, ComicsError

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.pictures.comics.comics import Comics
    from gazecli.pictures.comics.dataset import Source
    from gazecli.reports.documents.housekeeping import ComicsDocument, FoundPart

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
            help="all: as they come, a tenth of the scenes in combinations `tiny` never saw; test: only such."
        ),
    ] = "all",
    force: Annotated[bool, with_help(FORCE, "Replace strips that are there already.")] = False,
) -> None:
    """Draw fresh comic strips with captions, as the model `tiny` knows them.

    Example: gaze comics make comics/ --count 20 --seed 7
    """
    from gazecli.pictures.comics.comics import open_comics
    from gazecli.tiny.comics import make_comics

    with progress(output, "drawing", "strips") as step:
        make_comics(dest, count, seed, panels, split, force=force, progress=step)
    document = _document("make", open_comics(dest, panels=panels, layout="panels"), seed=seed)
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
    """Read every strip of a folder: how many panels each has, which can be used and which not.

    Example: gaze comics check comics/ --panels 4
    """
    from gazecli.pictures.comics.comics import Skipped, open_comics
    from gazecli.reports.documents.housekeeping import FoundPart

    opened = open_comics(comics, panels=panels, layout=layout, rtl=rtl, spread=spread)
    bad: list[Skipped] = []
    found: list[FoundPart] = []
    with progress(output, "reading", "strips") as step:
        for number, strip in enumerate(opened.strips, 1):
            try:
                found.append(FoundPart(strip=strip.name, panels=strip.load().panels, used=True))
            except BadInput as error:
                bad.append(Skipped.by(error, strip.name))
            step(number, len(opened.strips))
    if len(bad) == len(opened.strips):
        first = bad[0].reason if bad else "it holds none"
        counts = [skip.panels for skip in bad if skip.panels]
        raise ComicsError(
            f"no strip can be used ({first})",
            subject=str(comics),
            hint=f"use --panels {counts[0]}" if counts else "give whole pictures",
        )
    found += [FoundPart(strip=skip.path, panels=skip.panels, used=False) for skip in [*opened.skipped, *bad]]
    document = _document("check", opened, [(skip.path, skip.reason) for skip in bad], found=found)
    output.result(document, lambda console: _show(console, document))


@cli_command()
def fetch(
    output: Output,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder for them; made when missing.")],
    *,
    dataset: Annotated[
        str, with_help(DATASET, "A data set on the Hub; by default the paper's 500 strips.")
    ] = _PAPERS,
    revision: Revision = None,
) -> None:
    """Fetch published comics from the Hub, each picture checked, with license and commit noted beside them.

    A second call does nothing, an interrupted one goes on. Reading them needs pyarrow: pip install
    'gazecli[data]'.

    Example: gaze comics fetch authors-comics/
    """
    from gazecli.pictures.comics.comics import open_comics
    from gazecli.pictures.comics.dataset import fetch_comics

    output.detail(f"fetching {dataset}")
    with progress(output, "writing", "comics") as step:
        source = fetch_comics(
            dest,
            dataset,
            revision,
            progress=step,
            show_transfer=not output.quiet and is_terminal(sys.stderr),
        )
    opened = open_comics(dest, panels=source.panels, layout="panels")
    left_out = [(skip.path, skip.reason) for skip in source.skipped]
    document = _document("fetch", opened, left_out, source=source)
    output.result(document, lambda console: _show(console, document), digest=document.digest)


COMMANDS = (make, check, fetch)


def _document(
    action: Literal["make", "check", "fetch"],
    comics: Comics,
    bad: Sequence[tuple[str, str]] = (),
    seed: int | None = None,
    source: Source | None = None,
    found: Sequence[FoundPart] = (),
) -> ComicsDocument:
    from gazecli.pictures.comics.folder_formats import natural_key
    from gazecli.reports.documents.housekeeping import ComicsDocument, FoundCountPart, SourcePart
    from gazecli.reports.documents.parts import SkippedPart

    counts = Counter(sorted(part.panels for part in found if part.panels is not None))
    names = {name for name, _ in bad}
    usable = [strip for strip in comics.strips if strip.name not in names]
    skipped = [(str(skip.path), skip.reason) for skip in comics.skipped] + list(bad)
    return ComicsDocument(
        action=action,
        path=str(comics.path),
        layout=comics.layout,
        panels=comics.panels,
        strips=len(usable),
        captioned=sum(strip.captions is not None for strip in usable),
        digest=comics.digest,
        skipped=[SkippedPart(path=path, reason=reason) for path, reason in skipped],
        found=sorted(found, key=lambda part: natural_key(part.strip)),
        histogram=[FoundCountPart(panels=panels, strips=strips) for panels, strips in counts.most_common()],
        seed=seed,
        source=None if source is None else SourcePart.model_validate(source),
    )


def _show(console: Console, document: ComicsDocument) -> None:
    strips = f"{document.strips} of {document.panels} panels, {document.captioned} with captions"
    where = {"comics": document.path, "layout": document.layout, "strips": strips}
    source = document.source
    if source is not None:
        where["from"] = f"{source.dataset} at {source.revision[:12]}"
        where["license"] = source.license or "the data set's card names none"
    each = [f"{part.panels} in {part.strips}" for part in document.histogram]
    if document.found:
        uncounted = sum(part.panels is None for part in document.found)
        where["panels found"] = ", ".join(each + [f"not counted in {uncounted}"] * bool(uncounted))
    print_facts(console, {**where, "seed": document.seed, "digest": document.digest})
    if document.found:
        why = {skip.path: skip.reason for skip in document.skipped}
        rows: list[list[object]] = [[part.strip, part.panels, why.get(part.strip)] for part in document.found]
        print_table(console, "strip >panels skipped_because", rows)
    elif document.skipped:
        print_table(console, "skipped why", [[skip.path, skip.reason] for skip in document.skipped])
