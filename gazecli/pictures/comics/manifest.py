"""The `manifest` layout: a `strips.jsonl` with an image, its regions and captions a line.

Its paths are other people's text: they must stay inside the manifest's own folder, links included.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from gazecli.canonical import parse_json
from gazecli.errors import BadInput, ComicsError
from gazecli.pictures.comics.folder_formats import check_captions
from gazecli.pictures.comics.strip import BoxedStrip, Recipe, Skipped, Strip, wrong_count
from gazecli.pictures.region_specs import box_numbers

MANIFEST = "strips.jsonl"
_MAX_LINE = 1 << 20
_FORM = 'write {"image": "a.png", "regions": [[x0, y0, x1, y1], …], "captions": ["…", …]} on each line'


def is_manifest_folder(folder: Path) -> bool:
    """Whether the folder holds a manifest."""
    return os.path.isfile(folder / MANIFEST)


def manifest_strips(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per line; lines that do not fit are skipped. Raises ComicsError without a manifest."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE + 1), b""), start=1):
                if len(line) > _MAX_LINE:
                    yield Skipped(f"{MANIFEST}:{number}", f"the line is longer than {_MAX_LINE} bytes", _FORM)
                    return
                if line.strip():
                    yield _strip_of(folder, line, number, recipe)
    except OSError as error:
        raise ComicsError("the manifest cannot be read", subject=str(path), hint=_FORM) from error


def _strip_of(folder: Path, line: bytes, number: int, recipe: Recipe) -> Strip | Skipped:
    place = f"{MANIFEST}:{number}"
    try:
        entry = _entry(line, place)
        name = entry.get("image")
        if not isinstance(name, str) or not name:
            raise ComicsError('there is no "image"', subject=place, hint=_FORM)
        boxes = entry.get("regions")
        if not isinstance(boxes, list):
            raise ComicsError('there is no list of "regions"', subject=place, hint=_FORM)
        if len(boxes) != recipe.panels:
            raise wrong_count(len(boxes), recipe.panels, place)
        numbers = tuple(tuple(box_numbers(box, place)) for box in boxes)
        captions = _captions(entry.get("captions"), recipe.panels, place)
        return BoxedStrip(name, (_confined(folder, name, place),), recipe, captions, numbers)
    except BadInput as error:
        return Skipped.by(error, place)


def _entry(line: bytes, place: str) -> dict[str, object]:
    try:
        entry = parse_json(line, finite=False)
    except ValueError as error:
        raise ComicsError("the line is not JSON", subject=place, hint=_FORM) from error
    if not isinstance(entry, dict):
        raise ComicsError("the line is not a JSON object", subject=place, hint=_FORM)
    return entry


def _captions(captions: object, panels: int, place: str) -> list[str] | None:
    if captions is None:
        return None
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise ComicsError('"captions" is not a list of texts', subject=place, hint=_FORM)
    return check_captions(captions, panels, "the line", place)


def _confined(folder: Path, name: str, place: str) -> Path:
    """The file a name means. Raises ComicsError when it lies outside the folder, also through links."""
    outside = ComicsError(
        "the image is outside the manifest's folder", subject=place, hint="use a relative path without .."
    )
    windows = PureWindowsPath(name)
    if "\0" in name or windows.drive or windows.root or ".." in (*windows.parts, *PurePosixPath(name).parts):
        raise outside
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise outside from error
    if not path.is_relative_to(root):
        raise outside
    if not there:
        raise ComicsError(f"there is no picture {name}", subject=place, hint="check the path")
    return path
