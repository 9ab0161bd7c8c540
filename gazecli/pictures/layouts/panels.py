"""The `panels` layout: a folder per comic with `p1.png … pN.png`, or one such folder itself.

Knows nothing of the other layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gazecli.errors import BadInput
from gazecli.pictures.captions import read_captions
from gazecli.pictures.composing import panel_files
from gazecli.pictures.layouts.folders import folders_in
from gazecli.pictures.strip import ComposedStrip, Recipe, Skipped, Strip, wrong_count


def recognises(folder: Path) -> bool:
    """Whether the folder, or one inside it, holds panel files."""
    return _is_comic(folder) or any(_is_comic(comic) for comic in folders_in(folder))


def strips_in(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per comic; comics with another number of panels are skipped."""
    for comic in [folder] if _is_comic(folder) else folders_in(folder):
        try:
            yield _strip_of(comic, recipe)
        except BadInput as error:
            yield Skipped(comic.name, error.message, error.hint)


def _strip_of(comic: Path, recipe: Recipe) -> Strip | Skipped:
    files = panel_files(comic)
    if not files:
        return Skipped(comic.name, "no panel files p1.png, p2.png, …")
    if len(files) != recipe.panels:
        error = wrong_count(len(files), recipe.panels, str(comic))
        return Skipped(comic.name, error.message, error.hint)
    captions = read_captions(comic / "captions.txt", recipe.panels)
    return ComposedStrip(comic.name, tuple(files), recipe, captions)


def _is_comic(folder: Path) -> bool:
    try:
        return bool(panel_files(folder))
    except BadInput:  # numbered wrongly: still a comic, and its strip says what is wrong
        return True
