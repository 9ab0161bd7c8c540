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


LONGEST_NAME = 240  # bytes; file systems take 255


def writable(path: Path | None, option: str, suffixes: Sequence[str] = (), unlike: str | None = None) -> None:
    """Refuse, before work starts, a file that could not be written or that is `unlike` itself; UsageError."""
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{option} wants a file named *{' or *'.join(suffixes)}", subject=str(path), hint="rename it"
        )
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise UsageError(f"{option} has too long a name", subject=path.name[:60], hint="choose a shorter one")
    if unlike is not None and _are_one(path, unlike):
        raise UsageError(
            f"{option} would replace the picture it is made from", subject=str(path), hint="name another file"
        )
    if os.path.isdir(path):
        raise UsageError(
            f"{option} wants a file, this is a folder", subject=str(path), hint="name a file in it"
        )
    if not os.path.isdir(path.parent):
        raise UsageError("no such folder", subject=str(path.parent), hint="make it first")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(
            "the folder cannot be written",
            subject=str(path.parent),
            hint="choose another folder, or change its permissions",
        )


def refuse_one_file_twice(*paths: Path | None) -> None:
    """UsageError when two results would be written to one file."""
    named = [os.path.abspath(path) for path in paths if path is not None]
    if len(set(named)) < len(named):
        raise UsageError(
            "two results cannot be written to one file", subject=named[0], hint="give each its own file"
        )


def writable_folder(path: Path | None, option: str) -> None:
    """Refuse, before work starts, a folder that is not there and could not be made; UsageError."""
    if path is None:
        return
    if max(len(os.fsencode(part)) for part in (*path.parts, "")) > LONGEST_NAME:
        raise UsageError(f"{option} has too long a name", subject=path.name[:60], hint="choose a shorter one")
    if os.path.exists(path) and not os.path.isdir(path):
        raise UsageError(f"{option} wants a folder, this is a file", subject=str(path), hint="name a folder")
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UsageError(
            "the folder cannot be written",
            subject=str(nearest),
            hint="choose another folder, or change its permissions",
        )


def save_picture(image: Image.Image, path: Path) -> None:
    """Write `image` as PNG; GazeError when that fails."""
    _save(path, lambda draft: image.save(draft, format="PNG"))


def save_bytes(content: bytes, path: Path) -> None:
    """Write `content` as it is; GazeError when that fails."""
    _save(path, lambda draft: draft.write_bytes(content))


def save_text(text: str, path: Path) -> None:
    """Write `text` in UTF-8; GazeError when that fails."""
    _save(path, lambda draft: draft.write_text(text, encoding="utf-8", newline=""))


def _are_one(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def _save(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=".gaze-", dir=path.parent) as scratch:
            draft = Path(scratch) / path.name
            write(draft)
            draft.replace(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise GazeError(
            f"cannot write ({reason})",
            subject=str(path),
            code="output.unwritable",
            hint="choose another place, or make room there",
        ) from error
