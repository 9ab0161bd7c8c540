"""COCO's annotations: boxes of things as regions, damaged files refused in one line, bad pictures skipped."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gazecli.errors import AnnotationsError
from gazecli.evaluation.coco import read_coco
from gazecli.evaluation.examples import Turning, turned_counts
from gazecli.reports.tables import turned_words
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


def turned_picture(
    folder: Path, suffix: str, orientation: int, size: tuple[int, int], frame: str
) -> tuple[Path, Path]:
    """A file with an orientation, a red and a blue thing in it, annotated in its own pixels or upright."""
    folder.mkdir(exist_ok=True)
    stored = Image.new("RGB", size, "white")
    stored.paste("red", (8, 16, 32, 24))
    stored.paste("blue", (40, 0, 48, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(folder / f"a.{suffix}", exif=exif, quality=100, subsampling=0)
    annotated = stored
    if frame == "upright":
        annotated = ImageOps.exif_transpose(Image.open(folder / f"a.{suffix}")).convert("RGB")
    boxes = []
    for background in ((0, 255), (255, 0)):  # the red thing is dark in blue, the blue one in red
        dark = annotated.getchannel("B" if background[0] == 0 else "R").point(lambda v: 255 * (v < 128))
        left, top, right, bottom = dark.getbbox() or (0, 0, 0, 0)
        boxes.append([left, top, right - left, bottom - top])
    document = {
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}],
        "images": [
            {"id": 1, "file_name": f"a.{suffix}", "width": annotated.width, "height": annotated.height}
        ],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, "bbox": box}
            for number, box in enumerate(boxes, 1)
        ],
    }
    (folder / "a.json").write_text(json.dumps(document), encoding="utf-8")
    return folder / "a.json", folder


@pytest.mark.parametrize("frame", ["stored", "upright"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_boxes_land_on_the_right_pixels_of_a_picture_that_exif_turns(
    tmp_path: Path, suffix: str, orientation: int, frame: str
) -> None:
    # Where width and height do not tell, the pixels of the file are assumed.
    if orientation < 5 and frame == "upright":
        frame = "stored"
    found, skipped = read_coco(*turned_picture(tmp_path, suffix, orientation, (64, 40), frame))
    assert not skipped
    [example] = found
    assert example.turning == Turning(frame, assumed=orientation < 5)  # type: ignore[arg-type]
    picture = example.load()
    assert picture.image.size == ((64, 40) if orientation < 5 else (40, 64))
    for region, colour in zip(picture.regions, ("blue", "red"), strict=True):
        inside = np.asarray(picture.image.crop([int(edge) for edge in region.box]), float)
        wanted = {"red": (255, 0, 0), "blue": (0, 0, 255)}[colour]
        assert example.truths is not None
        assert example.truths[region.number - 1] == colour
        assert np.abs(inside - wanted).mean() < 20


def test_a_square_picture_is_taken_as_the_others_of_its_annotations_are(tmp_path: Path) -> None:
    for square, frame in ((48, "stored"), (48, "upright")):
        annotations, images = turned_picture(tmp_path, "jpg", 6, (64, 40), frame)
        document = json.loads(annotations.read_text(encoding="utf-8"))
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (square, square)).save(images / "b.jpg", exif=exif)
        document["images"].append({"id": 2, "file_name": "b.jpg", "width": square, "height": square})
        document["annotations"] += [
            {"id": 3, "image_id": 2, "category_id": 1, "bbox": [0, 0, 30, 10]},
            {"id": 4, "image_id": 2, "category_id": 2, "bbox": [0, 10, 10, 20]},
        ]
        annotations.write_text(json.dumps(document), encoding="utf-8")
        found, _ = read_coco(annotations, images)
        assert [example.turning for example in found] == [
            Turning(frame, assumed=False),  # type: ignore[arg-type]
            Turning(frame, assumed=True),  # type: ignore[arg-type]
        ]
        expected = (38.0, 0.0, 48.0, 30.0) if frame == "stored" else (0.0, 0.0, 30.0, 10.0)
        assert found[1].load().regions[0].box == expected
        counts = {"stored": 0, "upright": 0, "assumed": 1} | {frame: 2}
        assert turned_counts(found) == counts
        assert turned_words(**counts) == (
            "EXIF turns 2 pictures. Boxes: 2 in the file's pixels, now turned too. Assumed for 1"
            if frame == "stored"
            else "EXIF turns 2 pictures. Boxes: 2 upright already. Assumed for 1"
        )


def test_a_picture_of_another_size_is_left_out_turned_or_not(tmp_path: Path) -> None:
    annotations, images = turned_picture(tmp_path, "jpg", 6, (64, 40), "stored")
    document = json.loads(annotations.read_text(encoding="utf-8"))
    document["images"][0]["width"] = 63
    annotations.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(AnnotationsError, match="40 x 64 pixels, which is not what is annotated"):
        read_coco(annotations, images)


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
