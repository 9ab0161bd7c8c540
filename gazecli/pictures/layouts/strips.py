"""The `strips` layout: image files, each a whole strip or page, panels found by their gutters.

Captions stand in `<stem>.txt` (a line a panel), or in one `captions.json`: {"a.png": ["…", …], …}.
Knows nothing of the other layouts.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterator
from pathlib import Path

from gazecli.errors import BadInput, ComicsError
from gazecli.pictures.captions import check_captions, read_captions
from gazecli.pictures.layouts.folders import files_in
from gazecli.pictures.opening import PICTURE_SUFFIXES
from gazecli.pictures.strip import CutStrip, Recipe, Skipped, Strip

_CAPTIONS = "captions.json"
_MAX_BYTES = 1 << 26


def recognises(folder: Path) -> bool:
    """Whether the folder holds image files."""
    return any(_is_picture(file) for file in files_in(folder))


def strips_in(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per image file. Raises ComicsError when `captions.json` is broken."""
    captions = _shared_captions(folder / _CAPTIONS)
    for file in filter(_is_picture, files_in(folder)):
        try:
            lines = read_captions(file.with_suffix(".txt"), recipe.panels)
            listed = captions.get(file.name, captions.get(file.stem))
            if lines is None and listed is not None:
                lines = check_captions(listed, recipe.panels, _CAPTIONS, str(file))
            yield CutStrip(file.name, (file,), recipe, lines)
        except BadInput as error:
            yield Skipped(file.name, error.message, error.hint)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES


def _shared_captions(path: Path) -> dict[str, list[str]]:
    if not os.path.isfile(path):
        return {}
    hint = 'write {"a.png": ["caption of panel 1", …], …}'
    try:
        with path.open("rb") as file:
            captions = json.loads(file.read(_MAX_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ComicsError("the captions are not readable as JSON", subject=str(path), hint=hint) from error
    if not isinstance(captions, dict) or not all(
        isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        for lines in captions.values()
    ):
        raise ComicsError("the captions have another form", subject=str(path), hint=hint)
    return captions
