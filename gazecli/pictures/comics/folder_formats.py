"""Three folder formats of comics: `panels`, `raw` and `strips`, and their captions.

`panels`: a folder per comic with `p1.png … pN.png`, or one such folder itself, with `captions.txt` (a line
a panel). `raw`, as the COMICS corpus has it: `<comic>/<page>_<panel>.jpg`. A strip is a window of
consecutive panels of one page, one window a page, chosen by the seed; covers and advertisements stand on
the first and last pages, which are left out. `strips`: image files, each a whole strip or page, panels
found by their gutters, captions in `<stem>.txt` or in one `captions.json`: {"a.png": ["…", …], …}.

Folders are read in natural order, without hidden entries, never deeper than the format says.
"""

from __future__ import annotations

import os
import os.path
import random
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from gazecli.canonical import read_bytes, read_json
from gazecli.errors import BadInput, ComicsError
from gazecli.pictures.comics.strip import (
    ONE_PANEL,
    ComposedStrip,
    CutStrip,
    Recipe,
    Skipped,
    Strip,
    wrong_count,
)
from gazecli.pictures.compose import panel_files
from gazecli.pictures.image_files import OTHER_SUFFIXES, PICTURE_SUFFIXES, is_unread, not_read

_PANEL_NAME = re.compile(
    rf"(\d{{1,6}})_(\d{{1,6}})({'|'.join(map(re.escape, sorted(PICTURE_SUFFIXES | OTHER_SUFFIXES)))})",
    re.IGNORECASE | re.ASCII,
)
_OUTER_PAGES = 5
_SHORT_COMIC = 10
_CAPTIONS = "captions.json"
_MAX_JSON_BYTES = 1 << 26
_MAX_TEXT_BYTES = 1 << 20

Page = dict[int, Path]  # panel number -> file


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which `page 2` comes before `page 10`, the same on every file system."""
    parts = re.split(r"(\d{1,18})", unicodedata.normalize("NFC", name), flags=re.ASCII)
    key = tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts)
    return key, name


def files_in(folder: Path) -> list[Path]:
    """Regular files of a folder. Raises ComicsError when it cannot be read."""
    return _entries(folder, os.path.isfile)


def folders_in(folder: Path) -> list[Path]:
    """Folders of a folder. Raises ComicsError when it cannot be read."""
    return _entries(folder, os.path.isdir)


def _entries(folder: Path, kind: Callable[[Path], bool]) -> list[Path]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))]
    except OSError as error:
        raise ComicsError(
            "the folder cannot be read", subject=str(folder), hint="check the path and its permissions"
        ) from error
    return sorted(filter(kind, entries), key=lambda entry: natural_key(entry.name))


def is_panels_folder(folder: Path) -> bool:
    """`panels`: whether the folder, or one inside it, holds panel files."""
    return _is_comic(folder) or any(_is_comic(comic) for comic in folders_in(folder))


def panels_strips(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per comic; comics with another number of panels are skipped."""
    for comic in [folder] if _is_comic(folder) else folders_in(folder):
        try:
            yield _strip_of_comic(comic, recipe)
        except BadInput as error:
            yield Skipped.by(error, comic.name)


def _strip_of_comic(comic: Path, recipe: Recipe) -> Strip | Skipped:
    files = panel_files(comic)
    if not files:
        return Skipped(comic.name, "no panel files p1.png, p2.png, …", panels=0)
    if len(files) != recipe.panels:
        raise wrong_count(len(files), recipe.panels, str(comic))
    try:
        captions = read_captions(comic / "captions.txt", recipe.panels)
    except ComicsError as error:
        error.panels = len(files)
        raise
    return ComposedStrip(comic.name, tuple(files), recipe, captions)


def _is_comic(folder: Path) -> bool:
    try:
        return bool(panel_files(folder))
    except BadInput:  # numbered wrongly: still a comic, and its strip says what is wrong
        return True


def write_comic(
    dest: Path, name: str, panels: Mapping[str, bytes], captions: Sequence[str] | None = None
) -> Path:
    """Write a comic of the `panels` layout into `dest`: panel files by their names, and a caption a line.

    Its folder is there whole or not at all. Raises OSError.
    """
    with tempfile.TemporaryDirectory(prefix=".strip-", dir=dest) as scratch:
        draft = Path(scratch) / name
        draft.mkdir()
        for file, data in panels.items():
            (draft / file).write_bytes(data)
        if captions is not None:
            (draft / "captions.txt").write_text("".join(f"{line}\n" for line in captions), encoding="utf-8")
        return draft.rename(dest / name)


def is_raw_folder(folder: Path) -> bool:
    """`raw`: whether a folder inside holds files named page_panel."""
    return any(_PANEL_NAME.fullmatch(entry.name) for comic in folders_in(folder) for entry in _files(comic))


def raw_strips(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per page with enough consecutive panels; comics without such a page are skipped."""
    for comic in folders_in(folder):
        pages = _inner_pages(comic)
        unread = [file for file in _files(comic) if _PANEL_NAME.fullmatch(file.name) and is_unread(file)]
        for suffix in sorted({file.suffix.lower() for file in unread}):
            named = [file for file in unread if file.suffix.lower() == suffix]
            more = f" and {len(named) - 1} more" if len(named) > 1 else ""
            yield Skipped.by(not_read(named[0]), f"{comic.name}/{named[0].name}{more}")
        longest = 0
        for number, page in pages.items():
            windows, run = _windows(sorted(page), recipe.panels)
            longest = max(longest, run)
            if windows:
                chance = random.Random(f"{recipe.seed}/{number}/".encode() + os.fsencode(comic.name))
                window = chance.choice(windows)
                files = tuple(page[panel] for panel in window)
                yield ComposedStrip(f"{comic.name}/{number}_{window[0]}", files, recipe)
        if not pages and not unread:
            yield Skipped(comic.name, "no files named page_panel.jpg", panels=0)
        elif pages and longest < recipe.panels:
            reason = f"no page has {recipe.panels} consecutive panels, the most is {longest}"
            yield Skipped(
                comic.name, reason, f"use --panels {longest}" if longest > 1 else ONE_PANEL, longest
            )


def _inner_pages(comic: Path) -> dict[int, Page]:
    pages: dict[int, Page] = {}
    for entry in _files(comic):
        if (match := _PANEL_NAME.fullmatch(entry.name)) and not is_unread(entry):
            pages.setdefault(int(match[1]), {}).setdefault(int(match[2]), entry)
    outer = _OUTER_PAGES if len(pages) > _SHORT_COMIC else 0
    return dict(sorted(pages.items())[outer : len(pages) - outer])


def _windows(numbers: list[int], length: int) -> tuple[list[list[int]], int]:
    """Every run of `length` consecutive numbers, and the length of the longest run."""
    runs: list[list[int]] = [numbers[:1]]
    for before, number in pairwise(numbers):
        if number == before + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    windows = [run[start : start + length] for run in runs for start in range(len(run) - length + 1)]
    return windows, max(map(len, runs))


def _files(comic: Path) -> list[Path]:
    try:
        return files_in(comic)
    except BadInput:  # an unreadable comic has no pages, and is skipped for that
        return []


def is_strips_folder(folder: Path) -> bool:
    """`strips`: whether the folder holds image files, of those that are not read perhaps."""
    return any(_is_picture(file) or is_unread(file) for file in files_in(folder))


def whole_strips(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per image file. Raises ComicsError when `captions.json` is broken."""
    captions = _shared_captions(folder / _CAPTIONS)
    for file in files_in(folder):
        if is_unread(file):
            yield Skipped.by(not_read(file), file.name)
        if not _is_picture(file):
            continue
        try:
            lines = read_captions(file.with_suffix(".txt"), recipe.panels)
            listed = captions.get(file.name, captions.get(file.stem))
            if lines is None and listed is not None:
                lines = check_captions(listed, recipe.panels, _CAPTIONS, str(file))
            yield CutStrip(file.name, (file,), recipe, lines)
        except BadInput as error:
            yield Skipped.by(error, file.name)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES


def _shared_captions(path: Path) -> dict[str, list[str]]:
    if not os.path.isfile(path):
        return {}
    hint = 'write {"a.png": ["caption of panel 1", …], …}'
    captions = read_json(path, _MAX_JSON_BYTES, "the file of captions", ComicsError, hint)
    if not isinstance(captions, dict) or not all(
        isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        for lines in captions.values()
    ):
        raise ComicsError("the captions have the wrong format", subject=str(path), hint=hint)
    return captions


def read_captions(path: Path, panels: int) -> list[str] | None:
    """The lines of a caption file, one a panel; None when there is no such file.

    Raises ComicsError: unreadable, not UTF-8, or another number of lines.
    """
    if not os.path.isfile(path):
        return None
    hint = "save it as UTF-8, or remove it"
    data = read_bytes(path, _MAX_TEXT_BYTES, path.name, ComicsError, hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ComicsError(f"{path.name} is not UTF-8 text", subject=str(path), hint=hint) from error
    lines = re.split(r"\r\n|\n|\r", text.rstrip("\r\n"))
    return check_captions([line.strip() for line in lines], panels, path.name, str(path))


def check_captions(captions: list[str], panels: int, name: str, subject: str) -> list[str]:
    """The captions themselves when there is one a panel. Raises ComicsError."""
    if len(captions) != panels:
        raise ComicsError(
            f"{name} has {len(captions)} captions for {panels} panels",
            subject=subject,
            hint="write one caption a panel, or none at all",
        )
    return captions
