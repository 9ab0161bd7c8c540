"""Files that a command writes beside its result: refused early, written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.errors import UsageError, cannot_matter, unwritable

if TYPE_CHECKING:
    from PIL import Image

    from gazecli.reports.documents.results import SteerDocument, SwitchDocument, TrackDocument
    from gazecli.reports.page.scenes import Scene


FORCING = "add --force to replace it"
LEAST_DPI, MOST_DPI = 50, 1200
LONGEST_NAME = 240  # bytes; file systems take 255
# What the files beside the result of a picture may be named, by the option that names them.
SUFFIXES = {
    "output": (".png",),
    "heatmap": (".png", ".svg", ".pdf"),
    "trajectory": (".png", ".svg", ".pdf", ".csv", ".json"),
    "page": (".html", ".htm"),
}


def check_files(picture: str, *, force: bool = False, **files: Path | None) -> None:
    """UsageError, before work starts, for files beside the result of `picture` that cannot be written.

    So it is for two of one name, for one that would replace the picture, and for `force` without a file.
    """
    check_force(force, *files.values())
    for name, path in files.items():
        refuse_stdout(path, f"--{name}")
        writable(path, f"--{name}", SUFFIXES[name], force=force)
        if path is not None and _is_same_file(path, picture):
            raise _refusal(f"--{name} would replace the picture it is made from", path, "name another file")
    paths = [os.path.abspath(path) for path in files.values() if path is not None]
    if len(set(paths)) < len(paths):
        raise _refusal("two results cannot be written to one file", paths[0], "give each its own file")


def check_force(force: bool, *files: Path | None) -> None:
    """UsageError for --force where no file is named."""
    if force and not any(files):
        raise cannot_matter("force", "without a file to write", "name the file, or leave it out")


def check_dpi(dpi: int | None, drawn: bool, without: str) -> None:
    """UsageError for --dpi where no PNG figure is `drawn`, and for one that no figure can have."""
    if dpi is None:
        return
    if not drawn:
        raise cannot_matter("dpi", f"without {without}", "name one, or leave it out", str(dpi))
    if not LEAST_DPI <= dpi <= MOST_DPI:
        hint = "a paper's figures have 200 to 600"
        raise UsageError(f"--dpi is from {LEAST_DPI} to {MOST_DPI}", subject=str(dpi), hint=hint)


def refuse_stdout(path: Path | None, option: str) -> None:
    """UsageError for a file beside the result that would go where the result goes."""
    if is_stdout(path):
        raise _refusal(f"{option} cannot go to stdout, which carries the result", path, "name a file")


def writable(
    path: Path | None,
    option: str,
    suffixes: Sequence[str] = (),
    *,
    force: bool = False,
    forcing: str = FORCING,
) -> None:
    """UsageError, before work starts, for a file that could not be written or is named otherwise.

    So it is for a read-only one without `force`; `forcing` says there how to replace it.
    """
    if path is None or is_stdout(path):
        return
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        if not os.access(path, os.W_OK):
            raise _refusal(f"{option} cannot write there", path, "name another file")
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise _refusal(f"{option} wants a file named *{' or *'.join(suffixes)}", path, "rename it")
    _check_length(option, path, path.name)
    if os.path.isdir(path):
        raise _refusal(f"{option} wants a file, this is a folder", path, "name a file in it")
    if not force and _is_read_only(path):
        raise _refusal(f"{option} names a file that is read-only", path, f"name another file, or {forcing}")
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not os.path.isdir(folder):
        raise _refusal("no such folder", folder, "make it first")
    _check_folder(folder)


def is_png(path: Path | None) -> bool:
    """Whether a file is named as a PNG file."""
    return path is not None and path.suffix.lower() == ".png"


def is_stdout(path: Path | None) -> bool:
    """Whether a file's name means stdout: `-`, or what the system calls it."""
    if path is None:
        return False
    return str(path) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def writable_figures(path: Path | None, option: str, *, force: bool = False, forcing: str = FORCING) -> None:
    """UsageError, before work starts, for a folder that is not there and could not be made.

    So it is for one in which a figure is read-only, without `force`; `forcing` says there how to replace it.
    """
    writable_folder(path, option)
    if path is None:
        return
    kept = [] if force else [file for file in sorted(path.glob("*")) if _is_read_only(file)]
    if kept:
        from gazecli.reports.figures import FIGURES
        from gazecli.reports.files import FIGURE_SUFFIXES

        for file in kept:
            if file.stem in FIGURES and file.suffix in FIGURE_SUFFIXES:
                hint = f"name another folder, or {forcing}"
                raise _refusal(f"{option} names a folder in which a figure is read-only", file, hint)


def writable_folder(path: Path | None, option: str) -> None:
    """UsageError, before work starts, for a folder that is not there and could not be made."""
    if path is None:
        return
    if is_stdout(path):
        raise _refusal(f"{option} writes several files, which stdout cannot take", path, "name a folder")
    _check_length(option, path, *path.parts)
    if os.path.exists(path) and not os.path.isdir(path):
        raise _refusal(f"{option} wants a folder, this is a file", path, "name a folder")
    _check_folder(next(place for place in (path, *path.absolute().parents) if os.path.exists(place)))


def _refusal(message: str, path: object, hint: str) -> UsageError:
    return UsageError(message, subject=str(path), hint=hint)


def _check_length(option: str, path: Path, *names: str) -> None:
    if any(len(os.fsencode(name)) > LONGEST_NAME for name in names):
        raise _refusal(f"{option} has too long a name", path.name[:60], "choose a shorter one")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        hint = "choose another folder, or change its permissions"
        raise _refusal("the folder cannot be written", folder, hint)


def _is_read_only(path: Path) -> bool:
    """Whether it is a file that says so of itself, which root could write all the same."""
    return os.path.isfile(path) and not (os.stat(path).st_mode & 0o222 and os.access(path, os.W_OK))


def _is_same_file(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def save_picture(image: Image.Image, path: Path) -> None:
    """Write `image` as PNG; GazeError when that fails."""
    from gazecli.reports.files import png_bytes

    save_bytes(png_bytes(image), path)


def save_text(text: str, path: Path) -> None:
    """Write `text` in UTF-8; GazeError when that fails."""
    save_bytes(text.encode("utf-8"), path)


def save_bytes(content: bytes, path: Path) -> None:
    """Write `content` as it is, to stdout where that is what `path` names; GazeError when that fails."""
    from gazecli.reports import files

    if not is_stdout(path):
        files.save_bytes(content, path)
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise unwritable(path, error) from error


def save_page(
    document: SteerDocument | SwitchDocument | TrackDocument, scene: Scene, title: str, path: Path
) -> None:
    """Write the page of one picture; GazeError when that fails."""
    from gazecli.reports.page.report import picture_page

    save_text(picture_page(document, scene, title), path)
