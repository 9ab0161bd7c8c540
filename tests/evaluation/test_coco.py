"""COCO's annotations: boxes of things as regions, damaged files refused in one line, bad pictures skipped."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gazecli.errors import AnnotationsError
from gazecli.evaluation.coco import read_coco
from tests.evaluation.natural_pictures import DOCUMENT, write_coco

Document = dict[str, Any]


def test_of_each_kind_of_thing_the_largest_is_a_region(tmp_path: Path) -> None:
    found, skipped = read_coco(*write_coco(tmp_path))
    assert [example.name for example in found] == ["b.png", "deep/a.png"]
    street = found[1]
    assert street.truths == ("person", "dog", "hot dog")
    assert street.sizes == ("large", "medium", "small")
    assert [region.box for region in street.load().regions] == [
        (10.0, 20.0, 130.0, 140.0),
        (150.0, 60.0, 200.0, 100.0),
        (0.0, 0.0, 20.0, 20.0),
    ]
    assert [(skip.path, "fewer than two" in skip.reason) for skip in skipped] == [("c.png", True)]


def test_small_things_are_left_out(tmp_path: Path) -> None:
    found, skipped = read_coco(*write_coco(tmp_path), min_area=500)
    assert [example.truths for example in found] == [("person", "dog")]
    assert [skip.path for skip in skipped] == ["b.png", "c.png"]


def test_boxes_are_cut_at_the_pictures_edge(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["annotations"][1]["bbox"] = [150, 60, 900, 900]
    found, _ = read_coco(*write_coco(tmp_path, document))
    assert found[1].load().regions[1].box == (150.0, 60.0, 240.0, 160.0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda images: (images / "b.png").unlink(), "b.png"),
        (lambda images: (images / "b.png").write_bytes(b"no picture"), "b.png"),
        (lambda images: Image.new("RGB", (9, 9)).save(images / "b.png"), "9 x 9"),
    ],
)
def test_a_bad_picture_is_left_out_with_a_reason(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    annotations, images = write_coco(tmp_path)
    damage(images)
    found, skipped = read_coco(annotations, images)
    assert [example.name for example in found] == ["deep/a.png"]
    assert reason in f"{skipped[0].path} {skipped[0].reason}"


def edited(path: list[str | int], value: object) -> Document:
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["images"], ..., "list of images"),
        (["annotations"], {}, "list of annotations"),
        (["categories"], [], "list of categories"),
        (["images", 1, "id"], 7, "deep/a.png and b.png are both picture 7"),
        (["categories", 1, "id"], 1, "person and dog are both category 1"),
        (["images", 0, "file_name"], "../a.png", "leads out"),
        (["images", 0, "file_name"], "/etc/passwd", "leads out"),
        (["images", 0, "file_name"], "c:\\a.png", "leads out"),
        (["images", 0, "id"], None, "images[0]"),
        (["categories", 0, "name"], " ", "categories[0]"),
    ],
)
def test_damaged_annotations_are_refused_with_the_place(
    tmp_path: Path, path: list[str | int], value: object, message: str
) -> None:
    with pytest.raises(AnnotationsError) as refused:
        read_coco(*write_coco(tmp_path, edited(path, value)))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["annotations", 2], 3, "annotations[2]"),
        (["annotations", 2, "bbox"], ..., "four finite numbers"),
        (["annotations", 2, "bbox"], [1, 2, 3], "four finite numbers"),
        (["annotations", 2, "bbox"], [1, 2, 3, float("nan")], "four finite numbers"),
        (["annotations", 2, "bbox"], [1, 2, -3, 4], "negative"),
        (["annotations", 2, "bbox"], ["1", 2, 3, 4], "four finite numbers"),
        (["annotations", 2, "area"], "large", "area"),
        (["annotations", 2, "category_id"], 99, "category 99"),
        (["annotations", 2, "category_id"], True, "category_id"),
        (["annotations", 2, "image_id"], "seven", "image_id"),
        (["annotations", 2, "image_id"], 99, "picture 99"),
    ],
)
def test_one_odd_annotation_is_left_out_and_said(
    tmp_path: Path, path: list[str | int], value: object, reason: str
) -> None:
    found, skipped = read_coco(*write_coco(tmp_path, edited(path, value)))
    assert [example.name for example in found] == ["b.png", "deep/a.png"]
    assert skipped[0].path == "annotations[2]"
    assert reason in f"{skipped[0].path} {skipped[0].reason}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["images", 1, "width"], "120"),
        (["images", 1, "height"], 120.0),
        (["images", 1, "width"], None),
        (["annotations", 5, "area"], None),
        (["annotations", 5, "image_id"], "8"),
        (["annotations", 5, "category_id"], 1.0),
        (["categories", 0, "id"], "1"),
    ],
)
def test_whole_numbers_are_read_however_they_are_written(
    tmp_path: Path, path: list[str | int], value: object
) -> None:
    found, skipped = read_coco(*write_coco(tmp_path, edited(path, value)))
    assert [example.name for example in found] == ["b.png", "deep/a.png"]
    assert [skip.path for skip in skipped] == ["c.png"]


def test_a_picture_that_exif_turns_is_left_out_when_its_boxes_may_not_be_turned(tmp_path: Path) -> None:
    annotations, images = write_coco(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(images / "b.png") as picture:
        picture.save(images / "b.png", exif=exif)
    found, skipped = read_coco(annotations, images)
    assert [example.name for example in found] == ["deep/a.png"]
    assert "EXIF orientation" in skipped[0].reason


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\xff\xfe"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    annotations, images = write_coco(tmp_path)
    annotations.write_bytes(text.encode("latin-1"))
    with pytest.raises(AnnotationsError):
        read_coco(annotations, images)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    annotations, images = write_coco(tmp_path)
    with pytest.raises(AnnotationsError, match="cannot be read"):
        read_coco(tmp_path / "none.json", images)
    with pytest.raises(AnnotationsError, match="no such folder"):
        read_coco(annotations, tmp_path / "none")
    for picture in images.rglob("*.png"):
        picture.unlink()
    with pytest.raises(AnnotationsError, match="no picture can be used"):
        read_coco(annotations, images)


def test_annotations_are_plain_json(tmp_path: Path) -> None:
    annotations, _ = write_coco(tmp_path)
    assert json.loads(annotations.read_text(encoding="utf-8")) == DOCUMENT
