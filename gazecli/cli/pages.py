"""Files of `--page` and `--figures`: written whole, beside the result.

Knows nothing of how results come about.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.output_files import save_bytes, save_text
from gazecli.errors import GazeError

if TYPE_CHECKING:
    from gazecli.reports.documents import ReportDocument, SteerDocument, SwitchDocument, TrackDocument
    from gazecli.reports.page.scenes import Scene

PAGE_SUFFIXES = (".html", ".htm")


def save_page(
    document: SteerDocument | SwitchDocument | TrackDocument, scene: Scene, title: str, path: Path
) -> None:
    """Write the page of one picture; GazeError when that fails."""
    from gazecli.reports.page.picture import picture_page

    save_text(picture_page(document, scene, title), path)


def save_figures(document: ReportDocument, folder: Path) -> ReportDocument:
    """Write every figure there are data for as SVG and PNG, and name the files in the document.

    GazeError when that fails.
    """
    from gazecli.reports.figures.catalogue import figures_of
    from gazecli.reports.figures.drawing import png_of, svg_of

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise GazeError(f"cannot write ({reason})", subject=str(folder), code="output.unwritable") from error
    written = []
    for name, (figure, _) in figures_of(document).items():
        save_text(svg_of(figure), folder / f"{name}.svg")
        save_bytes(png_of(figure), folder / f"{name}.png")
        written += [str(folder / f"{name}.svg"), str(folder / f"{name}.png")]
    return document.model_copy(update={"figures": written})
