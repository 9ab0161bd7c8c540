"""Boxes written in JSON: the file of `--regions`, and the same list inside manifests.

Knows nothing of pixels and panels; sizes are given to it.
"""

from __future__ import annotations

import json
from numbers import Real
from pathlib import Path

from gazecli.errors import RegionError
from gazecli.pictures.regions import Region, check_box

_MAX_BYTES = 1 << 22
_MAX_REGIONS = 10_000
_FORM = 'write a list of boxes [x0, y0, x1, y1], or of {"box": [x0, y0, x1, y1], "label": "..."}'


def read_regions(path: Path, width: int, height: int) -> list[Region]:
    """Regions of a JSON file for a picture of that size, numbered from 1 in the file's order.

    Raises RegionError: unreadable, not such a list, or a box that does not fit.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise RegionError(
            "the regions file cannot be read", subject=str(path), hint="check the path"
        ) from error
    if len(data) > _MAX_BYTES:
        raise RegionError("the regions file is too large", subject=str(path), hint=_FORM)
    try:
        entries = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RegionError("the regions file is not JSON", subject=str(path), hint=_FORM) from error
    return regions_of(entries, width, height, str(path))


def regions_of(entries: object, width: int, height: int, subject: str, first: int = 1) -> list[Region]:
    """Regions of parsed JSON (or a list of boxes), numbered from `first`. Raises RegionError."""
    if not isinstance(entries, list | tuple) or not entries:
        raise RegionError("there is no list of regions", subject=subject, hint=_FORM)
    if len(entries) > _MAX_REGIONS:
        raise RegionError(f"there are more than {_MAX_REGIONS} regions", subject=subject, hint=_FORM)
    return [
        _region_of(entry, number, width, height, f"{subject} (region {number})")
        for number, entry in enumerate(entries, start=first)
    ]


def _region_of(entry: object, number: int, width: int, height: int, subject: str) -> Region:
    label: object = None
    if isinstance(entry, dict):
        label = entry.get("label")
        entry = entry.get("box")
    if label is not None and not isinstance(label, str):
        raise RegionError("the label is not text", subject=subject, hint=_FORM)
    return Region(number, check_box(box_numbers(entry, subject), width, height, subject), label=label)


def box_numbers(entry: object, subject: str) -> list[float]:
    """The numbers of one box as JSON gives it, unchecked but for being numbers. Raises RegionError."""
    if not isinstance(entry, list | tuple):
        raise RegionError("there is no box", subject=subject, hint=_FORM)
    return [_number(value, subject) for value in entry]


def _number(value: object, subject: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RegionError("a box holds something that is not a number", subject=subject, hint=_FORM)
    try:
        return float(value)
    except OverflowError as error:
        raise RegionError("a box needs finite numbers", subject=subject, hint=_FORM) from error
