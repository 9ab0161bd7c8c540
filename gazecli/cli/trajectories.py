"""The file of `--trajectory`: where heads looked, as a picture, a table or the whole document.

Knows nothing of how heads were watched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.output_files import save_bytes, save_text
from gazecli.cli.streams import Printable

if TYPE_CHECKING:
    from gazecli.reports.trajectory import Trajectory

SUFFIXES = (".png", ".svg", ".csv", ".json")


def save_trajectory(trajectory: Trajectory, document: Printable, path: Path) -> None:
    """Write what the file's name asks for; GazeError when that fails."""
    kind = path.suffix.lower()
    if kind == ".json":
        save_text(document.json_text(indent=2), path)
        return
    if kind == ".csv":
        from gazecli.reports.trajectory import trajectory_csv

        save_text(trajectory_csv(trajectory), path)
        return
    from gazecli.reports.figures.drawing import png_of, svg_of
    from gazecli.reports.figures.staircase import staircase

    figure = staircase(trajectory)
    if kind == ".svg":
        save_text(svg_of(figure), path)
    else:
        save_bytes(png_of(figure), path)
