"""Looking into folders: their entries in natural order, without hidden ones, never deeper than asked.

Knows nothing of strips.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from gazecli.errors import ComicsError


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which `page 2` comes before `page 10`, the same on every file system."""
    parts = re.split(r"(\d{1,18})", unicodedata.normalize("NFC", name), flags=re.ASCII)
    key = tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts)
    return key, name


def files_in(folder: Path) -> list[Path]:
    """Regular files of a folder. Raises ComicsError when it cannot be read."""
    return _entries(folder, Path.is_file)


def folders_in(folder: Path) -> list[Path]:
    """Folders of a folder. Raises ComicsError when it cannot be read."""
    return _entries(folder, Path.is_dir)


def _entries(folder: Path, kind: Callable[[Path], bool]) -> list[Path]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))]
    except OSError as error:
        raise ComicsError(
            "the folder cannot be read", subject=str(folder), hint="check the path and its permissions"
        ) from error
    return sorted((entry for entry in entries if _is(entry, kind)), key=lambda entry: natural_key(entry.name))


def _is(entry: Path, kind: Callable[[Path], bool]) -> bool:
    try:
        return kind(entry)
    except OSError:  # a link without permission to follow it, or one that goes in circles
        return False
