"""Fresh comic strips in a folder: drawn panels and their captions, in the `panels` layout.

Training never used the seeds of these strips. In the `all` split a tenth of the scenes are combinations
that training never saw; in the `test` split every scene is one.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

from gazecli.errors import UsageError, unwritable
from gazecli.pictures.comics.folder_formats import write_comic
from gazecli.pictures.picture import Picture
from gazecli.tiny.scenes import Scene, Split, draw_strip

LARGEST_COUNT = 100_000
LARGEST_PANELS = 20
_STRIP = re.compile(r"strip-\d{4,}")
_PANEL_FILE = re.compile(r"p\d+\.png|captions\.txt")


def make_comics(
    dest: Path,
    count: int,
    seed: int,
    panels: int = 6,
    split: Split = "all",
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw `count` strips into `dest`, each a folder with p1.png … pN.png and captions.txt.

    The same seed draws the same files. A strip's folder is there whole or not at all. With `force`, strips
    that are there already are replaced. `progress` is called with (done, total).

    Raises UsageError for impossible numbers and for a folder that is not empty, GazeError when writing fails.
    """
    _check_numbers(count, seed, panels)
    try:
        _clear_folder(dest, force)
        made = []
        for number in range(1, count + 1):
            made.append(_write_strip(dest, number, seed, panels, split))
            if progress is not None:
                progress(number, count)
    except OSError as error:
        raise unwritable(dest, error, code="output.failed") from error
    return made


def text_lists_of_scenes(count: int, seed: int = 42, texts: int = 6) -> list[list[str]]:
    """Lists of short sentences in place of strips: the captions of drawn scenes, without the drawings.

    The same seed gives the same lists. Raises UsageError for impossible numbers.
    """
    _check_numbers(count, seed, texts, "lists")
    drawn = (random.Random(f"texts-{texts}-{seed}-{number}") for number in range(1, count + 1))
    return [[scene.caption for scene in draw_strip(rng, texts)] for rng in drawn]


def example_strips(count: int, seed: int = 1, panels: int = 6) -> list[Picture]:
    """Drawn strips in memory, panels beside each other with white between them."""
    strips = []
    for number in range(1, count + 1):
        drawn = _drawn(number, seed, panels, "all")
        size, gap = drawn[0][1].width, drawn[0][1].width // 32
        strip = Image.new("RGB", ((size + gap) * panels + gap, size + 2 * gap), "white")
        for place, (_, panel) in enumerate(drawn):
            strip.paste(panel, (gap + place * (size + gap), gap))
        strips.append(Picture.from_image(strip, panels="auto"))
    return strips


def _check_numbers(count: int, seed: int, panels: int, what: str = "strips") -> None:
    if not 1 <= count <= LARGEST_COUNT:
        raise UsageError(
            f"the number of {what} must be from 1 to {LARGEST_COUNT}",
            subject=str(count),
            hint="for example: --count 40",
        )
    if not 1 <= panels <= LARGEST_PANELS:
        raise UsageError(
            f"the number of panels must be from 1 to {LARGEST_PANELS}",
            subject=str(panels),
            hint="for example: --panels 6",
        )
    if not 0 <= seed < 2**63:
        raise UsageError(
            "the seed must be a whole number from 0", subject=str(seed), hint="for example: --seed 1"
        )


def _clear_folder(dest: Path, force: bool) -> None:
    if dest.exists() and not dest.is_dir():
        raise UsageError(
            "this is not a folder", subject=str(dest), hint="name a folder; it is made when missing"
        )
    there = sorted(dest.iterdir()) if dest.is_dir() else []
    if there and not force:
        hint = "choose an empty folder, or replace the strips in it with --force"
        raise UsageError("the folder is not empty", subject=str(dest), hint=hint)
    drawn = [path for path in there if _STRIP.fullmatch(path.name)]
    for path in drawn:
        if not _is_ours(path):
            hint = "move it away, or choose another folder"
            raise UsageError("this folder holds more than a drawn strip", subject=str(path), hint=hint)
    for path in drawn:
        shutil.rmtree(path)
    dest.mkdir(parents=True, exist_ok=True)


def _is_ours(path: Path) -> bool:
    # rmtree would refuse a link anyway, but only after other strips are gone.
    if path.is_symlink() or not path.is_dir():
        return False
    return all(file.is_file() and _PANEL_FILE.fullmatch(file.name) for file in path.iterdir())


def _write_strip(dest: Path, number: int, seed: int, panels: int, split: Split) -> Path:
    scenes = _drawn(number, seed, panels, split)
    files = {}
    for k, (_, panel) in enumerate(scenes, 1):
        panel.save(encoded := BytesIO(), "PNG", optimize=True)
        files[f"p{k}.png"] = encoded.getvalue()
    return write_comic(dest, f"strip-{number:04d}", files, [scene.caption for scene, _ in scenes])


def _drawn(number: int, seed: int, panels: int, split: Split) -> list[tuple[Scene, Image.Image]]:
    from gazecli.tiny.panel import draw_panel

    rng = random.Random(f"comics-{split}-{panels}-{seed}-{number}")
    return [(scene, draw_panel(scene, rng, grain=0)) for scene in draw_strip(rng, panels, split)]
