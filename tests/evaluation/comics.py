"""Comics folders with captions, of random pixels: for models that say nothing sensible anyway."""

from __future__ import annotations

from pathlib import Path

from gazecli.evaluation.examples import Examples, examples_of
from gazecli.pictures.comics.comics import open_comics
from tests.conftest import write_comics

CAPTIONS = ["A red cat sleeps.", "A blue dog runs.", "A green bird sings."]


def captioned_comics(folder: Path, strips: int, seed: int = 0) -> Path:
    """Strips of three panels, each with a caption a panel."""
    write_comics(folder, strips, 3, seed)
    for comic in folder.iterdir():
        (comic / "captions.txt").write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    return folder


def captioned_examples(folder: Path, strips: int) -> Examples:
    """The same, opened."""
    return examples_of(open_comics(captioned_comics(folder, strips), panels=3))
