"""What to rename in a folder whose panels are there but not called as any of the folder formats has them."""

from __future__ import annotations

import re
from pathlib import Path

from gazecli.errors import BadInput
from gazecli.pictures.comics.folder_formats import files_in, folders_in
from gazecli.pictures.image_files import PICTURE_SUFFIXES

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_PANEL = re.compile(r"p\d{1,4}", re.ASCII | re.IGNORECASE)
_FEWEST, _SHOWN, _MOST_FOLDERS = 2, 2, 100


def renaming(folder: Path) -> str | None:
    """What to rename in the first comic of `folder` that asks for it; None where nothing can be said."""
    try:
        comics = [comic for comic in folders_in(folder)[:_MOST_FOLDERS] if comic.is_dir()]
    except BadInput:
        return None
    for comic in comics:
        if (words := renaming_of(comic)) is not None:
            return f"in {comic.name}, {words}"
    return None


def renaming_of(comic: Path) -> str | None:
    """`rename 1.png to p1.png, 2.png to p2.png and so on` for the panels of one comic, in natural order.

    Names of two numbers, a page and a panel, become `PAGE_PANEL`, and all others p1 to pN. None for fewer
    than two pictures, and where one is called p1, p2, … already.
    """
    try:
        files = [file for file in files_in(comic) if file.suffix.lower() in PICTURE_SUFFIXES]
    except BadInput:
        return None
    if len(files) < _FEWEST or any(_PANEL.fullmatch(file.stem) for file in files):
        return None
    numbers = [tuple(map(int, _NUMBER.findall(file.stem))) for file in files]
    paged = all(len(pair) == 2 for pair in numbers) and len(set(numbers)) == len(files)
    if paged and len({page for page, *_ in numbers}) > 1:
        names = [f"{pair[0]}_{pair[1]}{file.suffix}" for pair, file in zip(numbers, files, strict=True)]
    else:
        names = [f"p{place}{file.suffix}" for place, file in enumerate(files, 1)]
    pairs = [f"{file.name} to {name}" for file, name in zip(files, names, strict=True)]
    more = " and so on" if len(pairs) > _SHOWN else ""
    return f"rename {', '.join(pairs[:_SHOWN])}{more}"
