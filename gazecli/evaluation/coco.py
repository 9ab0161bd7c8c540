"""Natural pictures to evaluate on, from COCO's annotations: boxes are regions, categories are truths."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gazecli.canonical import read_json
from gazecli.errors import AnnotationsError, BadInput, UsageError
from gazecli.evaluation.coco_synonyms import SYNONYMS
from gazecli.evaluation.examples import Example, Examples
from gazecli.pictures.comics.comics import Comics
from gazecli.pictures.comics.strip import BoxedStrip, Recipe, Skipped
from gazecli.pictures.image_files import probe_size
from gazecli.pictures.regions import Box

# Gandikota & Bau 2026 (arXiv 2606.14703), natural images.
PROMPT = "What is the main object in this part of the image? Answer in a few words."
_MAX_BYTES = 1 << 30
_FORM = "give COCO's instances JSON: images, annotations and categories"
_SMALL, _MEDIUM = 32.0**2, 96.0**2  # COCO's own bounds, in pixels of area


@dataclass(frozen=True)
class Thing:
    """One annotated thing: its category, its box in pixels, and its area, at most the box's."""

    category: str
    box: Box
    area: float

    @property
    def size(self) -> str:
        """COCO's size class: small, medium or large."""
        return "small" if self.area < _SMALL else "medium" if self.area < _MEDIUM else "large"


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture with one thing of each of at least two categories, the largest first."""

    strip: BoxedStrip
    things: list[Thing]


def coco_examples(
    annotations: Path, images: Path, min_area: float, samples: int | None, seed: int
) -> Examples:
    """The pictures that can be read, `samples` of them drawn by the `seed`.

    Raises AnnotationsError when the annotations are bad or no picture can be read, UsageError for impossible
    numbers.
    """
    if not 0 <= min_area < float("inf"):
        raise UsageError(
            "--min-area is a number of pixels from 0",
            subject=str(min_area),
            hint="leave it out for the default",
        )
    if samples is not None and samples < 1:
        raise UsageError(
            "the number of samples must be at least 1",
            subject=str(samples),
            hint="leave it out for all pictures",
        )
    found, skipped = read_coco(annotations, images, min_area)
    if samples is not None and samples < len(found):
        drawn = sorted(random.Random(seed).sample(range(len(found)), samples))
        found = [found[number] for number in drawn]
    usable: list[Example] = []
    for picture in found:
        try:
            picture.strip.load()
        except BadInput as error:
            skipped.append(Skipped(picture.strip.name, error.message, error.hint))
        else:
            usable.append(_example(picture))
    if not usable:
        raise AnnotationsError("no picture can be read", subject=str(images), hint="check --images")
    most = max(example.regions for example in usable)
    strips = [example.strip for example in usable if example.strip is not None]
    return Examples(Comics(annotations, "coco", most, [*strips], skipped), usable, skipped)


def _example(picture: AnnotatedPicture) -> Example:
    return Example(
        picture.strip.name,
        len(picture.things),
        tuple(thing.category for thing in picture.things),
        picture.strip,
        tuple(SYNONYMS.get(thing.category.casefold(), ()) for thing in picture.things),
        tuple(thing.size for thing in picture.things),
    )


def read_coco(
    annotations: Path, images: Path, min_area: float = 0.0
) -> tuple[list[AnnotatedPicture], list[Skipped]]:
    """Every annotated picture that can be used, by file name, and those that cannot, with reasons.

    Of several things of one category the largest counts, since a name cannot tell them apart; crowds and
    things smaller than `min_area` are left out. Raises AnnotationsError for what is no such file, or damaged.
    """
    document = _parsed(annotations)
    if not images.is_dir():
        raise AnnotationsError(
            "there is no such folder of pictures", subject=str(images), hint="check --images"
        )
    names = {
        _integer(entry, "id", place): _text(entry, "name", place)
        for entry, place in _entries(document, "categories")
    }
    files: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for entry, place in _entries(document, "images"):
        files[_integer(entry, "id", place)] = (_file_name(entry, place), entry)
    things: dict[int, list[Thing]] = {number: [] for number in files}
    for entry, place in _entries(document, "annotations"):
        thing = _thing(entry, place, names)
        picture = _integer(entry, "image_id", place)
        if picture not in files:
            _refuse(f"it belongs to picture {picture}, which is not listed", place)
        if thing is not None and thing.area >= min_area:
            things[picture].append(thing)
    used, skipped = [], []
    for number, (name, entry) in sorted(files.items(), key=lambda each: each[1][0]):
        try:
            used.append(_picture(name, images / name, entry, things[number]))
        except BadInput as failure:
            skipped.append(Skipped(name, failure.message, failure.hint))
    if not used:
        reason = f" ({skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise AnnotationsError(f"no picture can be used{reason}", subject=str(annotations), hint=_FORM)
    return used, skipped


def _picture(name: str, path: Path, entry: Mapping[str, Any], things: list[Thing]) -> AnnotatedPicture:
    largest: dict[str, Thing] = {}
    for thing in sorted(things, key=lambda thing: -thing.area):
        largest.setdefault(thing.category, thing)
    if len(largest) < 2:
        raise AnnotationsError(
            "it shows fewer than two kinds of things, so there is nothing to tell apart",
            hint="lower --min-area, or leave it out of --images",
        )
    width, height = probe_size(path)
    if (entry.get("width", width), entry.get("height", height)) != (width, height):
        raise AnnotationsError(
            f"its file has {width} x {height} pixels, which is not what is annotated",
            hint="use the pictures the annotations were made for, not resized",
        )
    chosen = [
        Thing(thing.category, box, thing.area)
        for thing in largest.values()
        if (box := _inside(thing.box, width, height)) is not None
    ]
    if len(chosen) != len(largest):
        raise AnnotationsError("a box lies outside the picture", hint=_FORM)
    recipe = Recipe(len(chosen), 0, 0, 0, False)
    names = [thing.category for thing in chosen]
    strip = BoxedStrip(name, (path,), recipe, names, boxes=tuple(thing.box for thing in chosen))
    return AnnotatedPicture(strip, chosen)


def _inside(box: Box, width: int, height: int) -> Box | None:
    left, top, right, bottom = box
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else None


def _parsed(path: Path) -> Mapping[str, Any]:
    document = read_json(path, _MAX_BYTES, "the file of annotations", AnnotationsError, _FORM)
    if not isinstance(document, dict):
        raise AnnotationsError("the annotations are no JSON object", subject=str(path), hint=_FORM)
    return document


def _entries(document: Mapping[str, Any], name: str) -> list[tuple[Mapping[str, Any], str]]:
    """The objects of one list, each with what to call it in messages."""
    listed = document.get(name)
    if not isinstance(listed, list) or not listed:
        raise AnnotationsError(f"the annotations have no list of {name}", subject=name, hint=_FORM)
    found: list[tuple[Mapping[str, Any], str]] = []
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict):
            _refuse("it is no object", f"{name}[{number}]")
        found.append((entry, f"{name}[{number}]"))
    return found


def _thing(entry: Mapping[str, Any], place: str, names: Mapping[int, str]) -> Thing | None:
    """None for a crowd, and for a box without extent."""
    category = _integer(entry, "category_id", place)
    if category not in names:
        _refuse(f"category {category} is not listed", place)
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        _refuse("bbox is no list of four finite numbers", place)
    left, top, width, height = map(float, box)
    if width < 0 or height < 0:
        _refuse("bbox has a negative width or height", place)
    area = entry.get("area", width * height)
    if not _is_number(area) or area < 0:
        _refuse("area is no number from 0", place)
    if entry.get("iscrowd") or not width or not height:
        return None
    return Thing(names[category], (left, top, left + width, top + height), float(area))


def _file_name(entry: Mapping[str, Any], place: str) -> str:
    name = _text(entry, "file_name", place)
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
        _refuse("file_name leads out of the folder of pictures", place)
    return name


def _integer(entry: Mapping[str, Any], name: str, place: str) -> int:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(f"{name} is no whole number", place)
    return value


def _text(entry: Mapping[str, Any], name: str, place: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        _refuse(f"{name} is no text", place)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(reason: str, place: str) -> NoReturn:
    raise AnnotationsError(f"the annotations are damaged: {reason}", subject=place, hint=_FORM)
