"""A folder of comics -> strips, whichever of the four layouts it has; bad ones skipped with a reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gazecli.canonical import json_digest
from gazecli.errors import BadInput, ComicsError, UsageError
from gazecli.pictures.comics import folder_formats, manifest
from gazecli.pictures.comics.renaming import renaming, renaming_of
from gazecli.pictures.comics.strip import Recipe, Skipped, Strip
from gazecli.pictures.compose import GAP, HEIGHT, check_composition
from gazecli.pictures.image_files import hash_file

__all__ = ["LAYOUTS", "Comics", "Skipped", "Strip", "open_comics"]

Lister = Callable[[Path, Recipe], Iterator[Strip | Skipped]]
HashFiles = Callable[[Sequence[Path]], Sequence[str]]

MAX_PANELS = 100
MAX_SAMPLES = 10**7

# In the order in which they are tried on a folder.
_LAYOUTS: dict[str, tuple[Callable[[Path], bool], Lister]] = {
    "manifest": (manifest.is_manifest_folder, manifest.manifest_strips),
    "panels": (folder_formats.is_panels_folder, folder_formats.panels_strips),
    "raw": (folder_formats.is_raw_folder, folder_formats.raw_strips),
    "strips": (folder_formats.is_strips_folder, folder_formats.whole_strips),
}
LAYOUTS = ("panels", "raw", "strips", "manifest")
WHOLE_LAYOUTS = ("strips", "manifest")  # whose strips are whole, and keep their size
FOLDERS = (
    "a folder of comics holds folders with p1.png … pN.png, folders with page_panel.jpg, image files, "
    "or a strips.jsonl; `gaze comics check --help` shows each as a tree"
)


def hash_anew(files: Sequence[Path]) -> list[str]:
    """SHA-256 (hex) of each file. Raises PictureError when one cannot be read."""
    return [hash_file(file) for file in files]


@dataclass(frozen=True, eq=False)
class Comics:
    """Strips of one folder in a stable order, all with `panels` panels, and what was left out.

    `hash_files` gives the SHA-256 (hex) of files; one that remembers spares reading them.
    """

    path: Path
    layout: str
    panels: int
    strips: list[Strip]
    skipped: list[Skipped] = field(default_factory=list)
    hash_files: HashFiles = hash_anew

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of what determines the strips' pixels and regions; reads every file at most once.

        Raises PictureError when a file can no longer be read.
        """
        files = list(dict.fromkeys(source for strip in self.strips for source in strip.sources))
        try:
            hashes = dict(zip(files, self.hash_files(files), strict=True))
        except OSError:
            hashes = dict(zip(files, hash_anew(files), strict=True))  # says which file, and why
        digests = [strip.digest(hashes.__getitem__) for strip in self.strips]
        return "sha256:" + json_digest({"panels": self.panels, "strips": digests})


def open_comics(
    path: str | Path,
    *,
    panels: int = 6,
    height: int = HEIGHT,
    gap: int = GAP,
    samples: int | None = None,
    seed: int = 42,
    layout: str | None = None,
    rtl: bool = False,
    spread: bool = False,
) -> Comics:
    """List the strips of a folder; headers are checked, pixels read only of the first good strip.

    `samples` draws that many good strips by the `seed`. In the `strips` layout `rtl` reads panels from the
    right, and `spread` two pages side by side one after the other. Raises ComicsError (not a folder, no
    layout, no usable strip) and UsageError.
    """
    _check_options(panels, samples, layout)
    check_composition(height, gap)
    folder = Path(path)
    _check_folder(folder)
    name = layout or _recognise(folder)
    for option, given in (("rtl", rtl), ("spread", spread)):
        if given and name != "strips":
            message = f"the {name} layout has its order in its files"
            raise UsageError(message, subject=option, hint=f"leave out --{option}")
    recipe = Recipe(panels, height, gap, seed, rtl, spread)
    listed = list(_LAYOUTS[name][1](folder, recipe))
    candidates = [strip for strip in listed if isinstance(strip, Strip)]
    skipped = [skip for skip in listed if isinstance(skip, Skipped)]
    good, bad = _choose(candidates, samples, seed)
    skipped += bad
    if not good:
        raise _all_bad(folder, skipped)
    return Comics(folder, name, panels, good, skipped)


def _check_options(panels: int, samples: int | None, layout: str | None) -> None:
    if not 1 <= panels <= MAX_PANELS:
        raise UsageError(
            "the number of panels is out of range", subject=str(panels), hint=f"1 to {MAX_PANELS}"
        )
    if samples is not None and not 1 <= samples <= MAX_SAMPLES:
        raise UsageError(
            f"the number of samples must be between 1 and {MAX_SAMPLES}",
            subject=str(samples),
            hint="leave it out for all strips",
        )
    if layout is not None and layout not in _LAYOUTS:
        raise UsageError("there is no such layout", subject=layout, hint=f"choose {', '.join(LAYOUTS)}")


def _check_folder(folder: Path) -> None:
    try:
        there, is_folder = folder.exists(), folder.is_dir()
    except (OSError, ValueError) as error:
        raise ComicsError("the folder cannot be read", subject=str(folder), hint="check the path") from error
    if not there:
        raise ComicsError(
            "there is no such folder", subject=str(folder), hint="check the path", code="comics.missing"
        )
    if not is_folder:
        raise ComicsError("this is not a folder", subject=str(folder), hint=FOLDERS)


def _recognise(folder: Path) -> str:
    for name, (recognises, _) in _LAYOUTS.items():
        if recognises(folder):
            return name
    hint = renaming(folder) or FOLDERS
    raise ComicsError("there are no comics in this folder", subject=str(folder), hint=hint)


def _choose(candidates: Sequence[Strip], samples: int | None, seed: int) -> tuple[list[Strip], list[Skipped]]:
    """Good strips in their own order, `samples` of them drawn by the seed, and the bad ones met."""
    wanted = len(candidates) if samples is None else samples
    order = list(range(len(candidates)))
    if wanted < len(order):
        random.Random(seed).shuffle(order)
    good: list[int] = []
    bad: dict[int, Skipped] = {}
    for index in order:
        if len(good) == wanted:
            break
        try:
            candidates[index].check()
            if not good:  # a folder of which nothing can be used is found out before work starts
                candidates[index].load()
        except BadInput as error:
            bad[index] = Skipped.by(error, candidates[index].name)
        else:
            good.append(index)
    return [candidates[index] for index in sorted(good)], [bad[index] for index in sorted(bad)]


def _all_bad(folder: Path, skipped: Sequence[Skipped]) -> ComicsError:
    if not skipped:
        hint = renaming(folder) or FOLDERS
        return ComicsError("there are no comics in this folder", subject=str(folder), hint=hint)
    reasons = "; ".join(f"{skip.path}: {skip.reason}" for skip in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return ComicsError(
        f"no strip can be used ({reasons}{more})", subject=str(folder), hint=unusable_hint(folder, skipped)
    )


def unusable_hint(folder: Path, skipped: Sequence[Skipped]) -> str:
    """What would let in strips of which none can be used: the most frequent hint, or what to rename."""
    if len(skipped) > 1 and all(skip.panels == 1 for skip in skipped):
        words = renaming_of(folder)
        if words is not None:
            return f"if each file is one panel, give every comic a folder of its own, and in it {words}"
    if all(skip.panels == 0 for skip in skipped) and (words := renaming(folder)) is not None:
        return words
    hints = Counter(skip.hint for skip in skipped if skip.hint)
    return hints.most_common(1)[0][0] if hints else FOLDERS
