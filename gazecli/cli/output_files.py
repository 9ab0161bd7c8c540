"""Files that a call writes beside its result: refused early, written whole or not at all.

Knows nothing of what is in them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.errors import GazeError, UsageError

if TYPE_CHECKING:
    from PIL import Image


def writable(path: Path | None, option: str, suffixes: Sequence[str] = ()) -> None:
    """Refuse, before work starts, a file that could not be written; UsageError."""
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(f"{option} wants a file named *{' or *'.join(suffixes)}", subject=str(path))
    if path.is_dir():
        raise UsageError(f"{option} wants a file, this is a folder", subject=str(path))
    if not path.parent.is_dir():
        raise UsageError("no such folder", subject=str(path.parent), hint="make it first")
    if not os.access(path.parent, os.W_OK):
        raise UsageError("the folder cannot be written", subject=str(path.parent))


def writable_folder(path: Path | None, option: str) -> None:
    """Refuse, before work starts, a folder that is not there and could not be made; UsageError."""
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise UsageError(f"{option} wants a folder, this is a file", subject=str(path))
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UsageError("the folder cannot be written", subject=str(nearest))


def save_picture(image: Image.Image, path: Path) -> None:
    """Write `image` as PNG; GazeError when that fails."""
    _save(path, lambda draft: image.save(draft, format="PNG"))


def save_bytes(content: bytes, path: Path) -> None:
    """Write `content` as it is; GazeError when that fails."""
    _save(path, lambda draft: draft.write_bytes(content))


def save_text(text: str, path: Path) -> None:
    """Write `text` in UTF-8; GazeError when that fails."""
    _save(path, lambda draft: draft.write_text(text, encoding="utf-8", newline=""))


def _save(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=".gaze-", dir=path.parent) as scratch:
            draft = Path(scratch) / path.name
            write(draft)
            draft.replace(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise GazeError(f"cannot write ({reason})", subject=str(path), code="output.unwritable") from error
