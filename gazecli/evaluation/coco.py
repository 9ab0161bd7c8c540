"""Natural pictures to evaluate on, from COCO's annotations: boxes are regions, categories are truths."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gazecli.canonical import read_json
from gazecli.errors import AnnotationsError, BadInput, UsageError
from gazecli.evaluation.coco_synonyms import SYNONYMS
from gazecli.evaluation.examples import Example, Examples, Frame, Turning, is_readable
from gazecli.pictures.comics.comics import Comics
from gazecli.pictures.comics.strip import BoxedStrip, Recipe, Skipped
from gazecli.pictures.image_files import Stored, probe_stored
from gazecli.pictures.regions import Box

_MAX_BYTES = 1 << 30
_FORM = "give COCO's instances JSON: images, annotations and categories"
_SMALL, _MEDIUM = 32.0**2, 96.0**2  # COCO's own bounds, in pixels of area


@dataclass(frozen=True)
class _Thing:
    """One annotated thing: its category, its box in pixels, and its area, at most the box's."""

    category: str
    box: Box
    area: float


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
    usable = [example for example in found if is_readable(example, skipped)]
    if not usable:
        raise AnnotationsError("no picture can be read", subject=str(images), hint="check --images")
    most = max(example.regions for example in usable)
    strips = [example.strip for example in usable if example.strip is not None]
    return Examples(Comics(annotations, "coco", most, strips, skipped), usable, skipped)


def read_coco(annotations: Path, images: Path, min_area: float = 0.0) -> tuple[list[Example], list[Skipped]]:
    """Every annotated picture that can be used, by file name, and those that cannot, with reasons.

    A picture needs things of two categories; its largest come first. Of several things of one category the
    largest counts, since a name cannot tell them apart; crowds and things smaller than `min_area` are left
    out. The width and height that are annotated tell whether the boxes of a picture with an EXIF orientation
    are in the pixels of its file; where they are the same in both, its `turning` is an assumption. Raises
    AnnotationsError for what is no such file, or damaged.
    """
    document = read_json(annotations, _MAX_BYTES, "the file of annotations", AnnotationsError, _FORM)
    if not isinstance(document, dict):
        raise AnnotationsError("the annotations are not a JSON object", subject=str(annotations), hint=_FORM)
    if not images.is_dir():
        raise AnnotationsError(
            "there is no such folder of pictures", subject=str(images), hint="check --images"
        )
    names: dict[int, str] = {}
    for entry, place in _entries(document, "categories"):
        number, name = _integer(entry, "id", place), _text(entry, "name", place)
        if number in names:
            _refuse(f"{names[number]} and {name} are both category {number}", place)
        names[number] = name
    files: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for entry, place in _entries(document, "images"):
        number, name = _integer(entry, "id", place), _file_name(entry, place)
        if number in files:
            _refuse(f"{files[number][0]} and {name} are both picture {number}", place)
        files[number] = (name, entry)
    things: dict[int, list[_Thing]] = {number: [] for number in files}
    odd: list[AnnotationsError] = []
    for entry, place in _entries(document, "annotations"):
        try:
            thing = _thing(entry, place, names)
            picture = _integer(entry, "image_id", place)
            if picture not in files:
                _refuse(f"it belongs to picture {picture}, which is not listed", place)
        except AnnotationsError as error:
            odd.append(error)
            continue
        if thing is not None and thing.area >= min_area:
            things[picture].append(thing)
    if odd and not any(things.values()):
        raise odd[0]
    skipped: list[Skipped] = []
    if odd:
        more = f", the first of {len(odd)} left out" if len(odd) > 1 else ""
        skipped.append(Skipped(f"{odd[0].subject}{more}", odd[0].message, odd[0].hint))
    pictures: list[_Annotated] = []
    for number, (name, entry) in sorted(files.items(), key=lambda each: each[1][0]):
        try:
            pictures.append(_annotated(name, images / name, entry, things[number]))
        except BadInput as failure:
            skipped.append(Skipped.by(failure, name))
    told = [each.frame for each in pictures]
    # A file of annotations comes from one program: where width and height do not tell, the others do.
    usual: Frame = "upright" if told.count("upright") > told.count("stored") else "stored"
    used: list[Example] = []
    for annotated in pictures:
        try:
            used.append(annotated.example(usual))
        except BadInput as failure:
            skipped.append(Skipped.by(failure, annotated.name))
    if not used:
        reason = f" ({skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise AnnotationsError(f"no picture can be used{reason}", subject=str(annotations), hint=_FORM)
    return used, skipped


@dataclass(frozen=True)
class _Annotated:
    """A picture's file and its largest things. frame: the pixels its boxes are in, None if nothing tells."""

    name: str
    path: Path
    things: Sequence[_Thing]
    stored: Stored
    frame: Frame | None

    def example(self, usual: Frame) -> Example:
        """The boxes in the upright picture; those that may be in either frame are taken for `usual`."""
        turning, boxes = None, [thing.box for thing in self.things]
        if self.stored.orientation != 1:
            turning = Turning(self.frame or usual, assumed=self.frame is None)
            if turning.frame == "stored":
                boxes = [self.stored.turned(box) for box in boxes]
        truths, regions = tuple(thing.category for thing in self.things), len(self.things)
        within = tuple(_inside(box, *self.stored.upright) for box in boxes)
        recipe = Recipe(regions, 0, 0, 0, False)
        strip = BoxedStrip(self.name, (self.path,), recipe, list(truths), boxes=within)
        synonyms = tuple(SYNONYMS.get(truth.casefold(), ()) for truth in truths)
        sizes = tuple(_size_class(thing.area) for thing in self.things)
        return Example(self.name, regions, truths, strip, synonyms, sizes, turning=turning)


def _annotated(name: str, path: Path, entry: Mapping[str, Any], things: list[_Thing]) -> _Annotated:
    largest: dict[str, _Thing] = {}
    for thing in sorted(things, key=lambda thing: -thing.area):
        largest.setdefault(thing.category, thing)
    if len(largest) < 2:
        raise AnnotationsError(
            "it shows fewer than two kinds of things, so there is nothing to tell apart",
            hint="lower --min-area, or leave it out of --images",
        )
    stored = probe_stored(path)
    frames: dict[Frame, tuple[int, int]] = {
        "stored": (stored.width, stored.height),
        "upright": stored.upright,
    }
    fitting = [frame for frame, size in frames.items() if _fits(entry, *size)]
    if not fitting:
        width, height = stored.upright
        raise AnnotationsError(
            f"its file has {width} x {height} pixels, which is not what is annotated",
            hint="use the pictures the annotations were made for, not resized",
        )
    return _Annotated(name, path, list(largest.values()), stored, fitting[0] if len(fitting) == 1 else None)


def _inside(box: Box, width: int, height: int) -> Box:
    left, top, right, bottom = box
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        raise AnnotationsError("a box is outside the picture", hint=_FORM)
    return cut


def _size_class(area: float) -> str:
    return "small" if area < _SMALL else "medium" if area < _MEDIUM else "large"


def _entries(document: Mapping[str, Any], name: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of one list, each with what to call it in messages."""
    listed = document.get(name)
    if not isinstance(listed, list) or not listed:
        raise AnnotationsError(f"the annotations have no list of {name}", subject=name, hint=_FORM)
    for number, entry in enumerate(listed):
        place = f"{name}[{number}]"
        if not isinstance(entry, dict):
            if name != "annotations":
                _refuse("it is not an object", place)
            entry = {}
        yield entry, place


def _thing(entry: Mapping[str, Any], place: str, names: Mapping[int, str]) -> _Thing | None:
    """None for a crowd, and for a box without extent."""
    category = _integer(entry, "category_id", place)
    if category not in names:
        _refuse(f"category {category} is not listed", place)
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        _refuse("bbox is not a list of four finite numbers", place)
    left, top, width, height = map(float, box)
    if width < 0 or height < 0:
        _refuse("bbox has a negative width or height", place)
    area = width * height if entry.get("area") is None else entry["area"]
    if not _is_number(area) or area < 0:
        _refuse("area is not a number from 0", place)
    if entry.get("iscrowd") or not width or not height:
        return None
    return _Thing(names[category], (left, top, left + width, top + height), float(area))


def _file_name(entry: Mapping[str, Any], place: str) -> str:
    name = _text(entry, "file_name", place)
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
        _refuse("file_name leads out of the folder of pictures", place)
    return name


def _integer(entry: Mapping[str, Any], name: str, place: str) -> int:
    value = _whole(entry.get(name))
    if value is None:
        _refuse(f"{name} is not a whole number", place)
    return value


def _fits(entry: Mapping[str, Any], width: int, height: int) -> bool:
    """Whether a picture is annotated with this size, or without."""
    sides = {"width": width, "height": height}
    return all(entry.get(name) is None or _whole(entry[name]) == side for name, side in sides.items())


def _whole(value: object) -> int | None:
    """A whole number however it is written: 7, 7.0, "7"."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}(\.0{1,6})?\s*", value, re.ASCII):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _text(entry: Mapping[str, Any], name: str, place: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        _refuse(f"{name} is not text", place)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(reason: str, place: str) -> NoReturn:
    raise AnnotationsError(f"the annotations are damaged: {reason}", subject=place, hint=_FORM)
