"""The `raw` layout, as the COMICS corpus has it: `<comic>/<page>_<panel>.jpg`.

A strip is a window of consecutive panels of one page, one window a page, chosen by the seed. Covers and
advertisements stand on the first and last pages, so those are left out. Knows nothing of the other layouts.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from gazecli.errors import BadInput
from gazecli.pictures.layouts.folders import files_in, folders_in
from gazecli.pictures.strip import ComposedStrip, Recipe, Skipped, Strip

_PANEL_NAME = re.compile(r"(\d{1,6})_(\d{1,6})\.(jpg|jpeg|png|webp)", re.IGNORECASE | re.ASCII)
_OUTER_PAGES = 5
_SHORT_COMIC = 10

Page = dict[int, Path]  # panel number -> file


def recognises(folder: Path) -> bool:
    """Whether a folder inside holds files named page_panel."""
    return any(
        _PANEL_NAME.fullmatch(entry.name) is not None
        for comic in folders_in(folder)
        for entry in _files(comic)
    )


def strips_in(folder: Path, recipe: Recipe) -> Iterator[Strip | Skipped]:
    """A strip per page with enough consecutive panels; comics without such a page are skipped."""
    for comic in folders_in(folder):
        pages = _inner_pages(_pages(comic))
        longest = 0
        found = False
        for number, page in pages.items():
            windows, run = _windows(sorted(page), recipe.panels)
            longest = max(longest, run)
            if windows:
                found = True
                yield _strip_of(comic, number, page, windows, recipe)
        if not pages:
            yield Skipped(comic.name, "no files named page_panel.jpg")
        elif not found:
            reason = f"no page has {recipe.panels} consecutive panels, the most is {longest}"
            yield Skipped(comic.name, reason, f"use --panels {longest}")


def _strip_of(comic: Path, number: int, page: Page, windows: list[list[int]], recipe: Recipe) -> Strip:
    chance = random.Random(f"{recipe.seed}/{number}/".encode() + os.fsencode(comic.name))
    window = chance.choice(windows)
    files = tuple(page[panel] for panel in window)
    return ComposedStrip(f"{comic.name}/{number}_{window[0]}", files, recipe)


def _pages(comic: Path) -> dict[int, Page]:
    pages: dict[int, Page] = {}
    for entry in _files(comic):
        if match := _PANEL_NAME.fullmatch(entry.name):
            pages.setdefault(int(match[1]), {}).setdefault(int(match[2]), entry)
    return dict(sorted(pages.items()))


def _inner_pages(pages: dict[int, Page]) -> dict[int, Page]:
    if len(pages) <= _SHORT_COMIC:
        return pages
    return dict(list(pages.items())[_OUTER_PAGES:-_OUTER_PAGES])


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
