"""Results as files: the format by the file's name, each written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.errors import UsageError, unwritable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from gazecli.reports.documents.parts import Document
    from gazecli.reports.documents.results import ReportDocument
    from gazecli.reports.heatmap import Heatmap
    from gazecli.reports.page.scenes import Scene
    from gazecli.reports.trajectory import Trajectory

SHOWN = 10  # heads of a report's table
PAGES = ("html", "markdown", "csv", "latex")
FIGURE_SUFFIXES = (".svg", ".pdf", ".png")
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv", ".tex": "latex"}


def format_of(path: Path) -> str:
    """The format of a report that a file's name asks for: one of `PAGES`, else `json`."""
    return _SUFFIXES.get(path.suffix.lower(), "json")


def report_text(report: ReportDocument, form: str, shown: int = SHOWN, scenes: Sequence[Scene] = ()) -> str:
    """The report in a format of `format_of`, with its `shown` best heads; `scenes` are for a page."""
    if form == "html":
        from gazecli.reports.page.report import report_page

        return report_page(report, shown, scenes=scenes)
    if form == "markdown":
        from gazecli.reports.markdown import report_markdown

        return report_markdown(report, shown)
    if form == "latex":
        from gazecli.reports.latex import report_latex

        return report_latex(report, shown)
    if form == "csv":
        from gazecli.reports.csv_table import report_csv

        return report_csv(report)
    return report.json_text(indent=2)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """UsageError for a file that is there and may not be replaced."""
    if path.exists() and not overwrite:
        hint = "name another file, or say overwrite=True"
        raise UsageError("it exists already", subject=str(path), hint=hint)


def save_bytes(content: bytes, path: Path) -> None:
    """Write `content` as it is; GazeError when that fails."""
    from gazecli.cache.files import write_named_file

    try:
        write_named_file(path, content, durable=False)
    except OSError as error:
        raise unwritable(path, error) from error


def save_text(text: str, path: Path) -> None:
    """Write `text` in UTF-8; GazeError when that fails."""
    save_bytes(text.encode("utf-8"), path)


def png_bytes(image: Image.Image) -> bytes:
    """The image as PNG."""
    png = io.BytesIO()
    image.save(png, format="PNG")
    return png.getvalue()


def save_figure(figure: Figure, path: Path, dpi: int | None = None) -> None:
    """Write a figure as SVG or PDF where the file is named so, else as PNG of `dpi`; GazeError on failure."""
    from gazecli.reports.figures.style import DOTS_PER_INCH, pdf_of, png_of, svg_of

    kind = path.suffix.lower()
    if kind == ".svg":
        save_text(svg_of(figure), path)
    elif kind == ".pdf":
        save_bytes(pdf_of(figure), path)
    else:
        save_bytes(png_of(figure, DOTS_PER_INCH if dpi is None else dpi), path)


def save_heatmap(heatmap: Heatmap, path: Path) -> None:
    """Write a heatmap as SVG or PDF, its captions as text, or as PNG; GazeError when that fails."""
    if path.suffix.lower() in (".svg", ".pdf"):
        from gazecli.reports.figures.heatmap import heatmap_figure

        save_figure(heatmap_figure(heatmap), path)
    else:
        save_bytes(png_bytes(heatmap.drawn()), path)


def save_figures(document: ReportDocument, folder: Path, dpi: int | None = None) -> ReportDocument:
    """Write every figure there are data for as SVG, PDF and PNG, and name the files in the document.

    dpi: dots per inch of the PNG files. Raises GazeError when a file cannot be written.
    """
    from gazecli.reports.figures import figures_of

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    written = []
    for name, (figure, _) in figures_of(document).items():
        for path in (folder / f"{name}{suffix}" for suffix in FIGURE_SUFFIXES):
            save_figure(figure, path, dpi)
            written.append(str(path))
    return document.model_copy(update={"figures": written})


def save_trajectory(trajectory: Trajectory, document: Document, path: Path, dpi: int | None = None) -> None:
    """Write `trajectory` as the file's suffix says, `document` for .json; GazeError when that fails."""
    kind = path.suffix.lower()
    if kind == ".json":
        save_text(document.json_text(indent=2), path)
    elif kind == ".csv":
        from gazecli.reports.trajectory import trajectory_csv

        save_text(trajectory_csv(trajectory), path)
    else:
        from gazecli.reports.figures.trajectory import trajectory_figure

        save_figure(trajectory_figure(trajectory), path, dpi)
