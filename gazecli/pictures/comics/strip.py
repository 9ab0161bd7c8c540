"""A strip of a comics collection before it is loaded, in its three kinds: composed, cut, and boxed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gazecli.canonical import json_digest
from gazecli.errors import BadInput, ComicsError, PictureError
from gazecli.pictures.compose import compose_strip
from gazecli.pictures.image_files import check_header, open_pixels, probe_size
from gazecli.pictures.panels import find_panels, looks_like_spread, split_grid
from gazecli.pictures.picture import TWO_PAGES, Picture
from gazecli.pictures.region_specs import regions_of
from gazecli.pictures.regions import numbered

# What compares panels needs two of them, so that `--panels 1` would only lead to the next error.
ONE_PANEL = (
    "a strip has at least two panels: see where they are found with gaze panels PICTURE; one picture needs "
    "no folder of comics: gaze steer PICTURE --region left"
)


@dataclass(frozen=True)
class Skipped:
    """A strip, or a whole comic, that was left out; `hint` says what would let it in.

    panels: how many were found in it, None where they were not counted.
    """

    path: str
    reason: str
    hint: str | None = None
    panels: int | None = None

    @classmethod
    def by(cls, error: BadInput, path: str) -> Skipped:
        """What was left out because of `error`."""
        found = error.panels if isinstance(error, ComicsError) else None
        return cls(path, error.message, error.hint, found)


@dataclass(frozen=True)
class Recipe:
    """How strips are made: panels a strip, height and gap in pixels, seed, reading direction.

    spread: whole strips are two pages side by side, read one after the other.
    """

    panels: int
    height: int
    gap: int
    seed: int
    rtl: bool
    spread: bool = False


@dataclass(frozen=True, eq=False)
class Strip(ABC):
    """One strip: cheap to hold, its pixels are read by `load`.

    `captions` has one text a panel, or is None. `sources` are the files its pixels come from.
    """

    name: str
    sources: tuple[Path, ...]
    recipe: Recipe
    captions: list[str] | None = None

    @abstractmethod
    def load(self) -> Picture:
        """Decoded pixels with exactly `recipe.panels` regions.

        Raises PictureError, ComicsError or RegionError when the strip is bad.
        """

    @property
    @abstractmethod
    def recipe_document(self) -> dict[str, object]:
        """What besides the files' bytes determines pixels and regions; plain JSON values."""

    def check(self) -> None:
        """Look at the headers only. Raises as `load` does."""
        for source in self.sources:
            check_header(source)

    def digest(self, hash_of: Callable[[Path], str]) -> str:
        """`sha256:…` of the files' bytes and of the recipe document.

        Names, places and captions do not count. `hash_of` gives the SHA-256 (hex) of a file's bytes.
        """
        files = [hash_of(source) for source in self.sources]
        return "sha256:" + json_digest({"making": self.recipe_document, "files": files})


class ComposedStrip(Strip):
    """Single panel files, joined left to right."""

    def check(self) -> None:
        self._check_folder()
        super().check()

    def _check_folder(self) -> None:
        folder = self.sources[0].parent
        if not folder.is_dir():
            raise PictureError(
                "the strip is no longer there",
                subject=str(folder),
                hint="put its folder back, or call again without it",
                code="picture.missing",
            )

    def load(self) -> Picture:
        self._check_folder()
        image, boxes = compose_strip(self.sources, self.recipe.height, self.recipe.gap)
        return Picture(image, numbered(boxes), str(self.sources[0].parent))

    @property
    def recipe_document(self) -> dict[str, object]:
        return {"kind": "composed", "height": self.recipe.height, "gap": self.recipe.gap}


class CutStrip(Strip):
    """One file whose panels are found by their gutters."""

    def load(self) -> Picture:
        path = self.sources[0]
        opened = open_pixels(path)
        boxes = find_panels(opened.image, self.recipe.rtl, self.recipe.spread)
        boxes = boxes or split_grid(*opened.image.size, 1, 1)
        if len(boxes) != self.recipe.panels:
            raise wrong_count(len(boxes), self.recipe.panels, str(path))
        picture = Picture(opened.image, numbered(boxes), str(path), opened.sha256)
        if not self.recipe.spread and looks_like_spread(boxes, *opened.image.size):
            picture.warnings.append(f"this looks like {TWO_PAGES}")
        return picture

    @property
    def recipe_document(self) -> dict[str, object]:
        read = {"kind": "gutters", "panels": self.recipe.panels, "rtl": self.recipe.rtl}
        return read | ({"spread": True} if self.recipe.spread else {})


@dataclass(frozen=True, eq=False)
class BoxedStrip(Strip):
    """One file whose regions are given as boxes."""

    boxes: tuple[tuple[float, ...], ...] = ()

    def check(self) -> None:
        for source in self.sources:
            regions_of(self.boxes, *probe_size(source), str(source))

    def load(self) -> Picture:
        path = self.sources[0]
        opened = open_pixels(path)
        regions = regions_of(self.boxes, *opened.image.size, str(path))
        return Picture(opened.image, regions, str(path), opened.sha256)

    @property
    def recipe_document(self) -> dict[str, object]:
        return {"kind": "boxes", "boxes": [list(box) for box in self.boxes]}


def wrong_count(found: int, wanted: int, subject: str) -> ComicsError:
    """The error for a strip with another number of panels than wanted."""
    panels = "1 panel" if found == 1 else f"{found} panels"
    hint = f"use --panels {found}" if found > 1 else ONE_PANEL
    error = ComicsError(f"{panels} found, not {wanted}", subject=subject, hint=hint, code="comics.panels")
    error.panels = found
    return error
