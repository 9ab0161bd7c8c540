"""`gaze panels PICTURE`: which regions a picture has, as numbers and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.files import check_files, is_stdout, save_picture
from gazecli.cli.inputs import open_picture
from gazecli.cli.options import OUTPUT, PictureOptions, with_help
from gazecli.cli.output import Output
from gazecli.cli.tables import print_facts, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import PanelsDocument

NAME = "panels"


@cli_command()
def command(
    output: Output,
    picture: options.PictureArgument,
    shown: PictureOptions,
    *,
    destination: Annotated[
        Path | None,
        with_help(OUTPUT, "Draw the numbered regions into this .png file; - prints the picture alone."),
    ] = None,
    force: options.ForceFiles = False,
) -> None:
    """Show which panels a picture has: what --region 2 means.

    Loads no model.

    Example: gaze panels page.png -o numbered.png
    """
    alone = is_stdout(destination)
    check_files(picture, force=force, output=None if alone else destination)
    opened = open_picture(output, picture, shown)
    from gazecli.reports.documents.results import (
        NumberedRegionPart,
        PanelsDocument,
        PanelsSettings,
        PicturePart,
    )

    document = PanelsDocument(
        picture=PicturePart.model_validate(opened),
        settings=PanelsSettings(
            panels=shown.panels,
            regions=None if shown.regions is None else str(shown.regions),
            rtl=shown.rtl,
            spread=shown.spread,
        ),
        regions=[NumberedRegionPart.model_validate(region) for region in opened.regions],
        file=None if destination is None else str(destination),
    )
    if destination is not None:
        save_picture(opened.drawn(), destination)
    if alone:
        output.note(f"{opened.panels} panels")
        return
    output.result(document, lambda console: _show(console, document))


def _show(console: Console, document: PanelsDocument) -> None:
    picture = document.picture
    area = picture.width * picture.height
    rows: list[list[object]] = []
    for region in document.regions:
        left, top, right, bottom = region.box
        corners = ",".join(f"{edge:g}" for edge in region.box)
        rows.append([region.number, corners, f"{(right - left) * (bottom - top) / area:.0%}", region.label])
    if rows:
        labelled = any(region.label is not None for region in document.regions)
        columns = ">region x0,y0,x1,y1 >area" + (" label" if labelled else "")
        print_table(console, columns, [row if labelled else row[:3] for row in rows])
        console.print()
    found = f"{picture.panels} in {picture.width} x {picture.height} pixels"
    print_facts(console, {"panels": found, "picture": document.file})
