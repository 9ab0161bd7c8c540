"""`gaze panels`: which regions a picture has, as a document, a table and a picture."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.cli.conftest import Gaze
from tests.pictures.drawn import strip_of, write_comic
from tests.pictures.test_found_panels import double_page

WIDTHS = [90, 80, 100]


def strip(folder: Path) -> Path:
    path = folder / "strip.png"
    strip_of(WIDTHS, 90, 6).save(path)
    return path


def test_panels_are_numbered_in_the_document_and_in_the_picture(gaze: Gaze, tmp_path: Path) -> None:
    drawn = tmp_path / "numbered.png"
    document = gaze("panels", strip(tmp_path), "-o", drawn).document("panels")
    assert [(each["number"], each["box"]) for each in document["regions"]] == [
        (1, [0, 0, 90, 90]),
        (2, [96, 0, 176, 90]),
        (3, [182, 0, 282, 90]),
    ]
    assert (document["picture"]["panels"], document["file"]) == (3, str(drawn))
    with Image.open(drawn) as shown:
        assert shown.size == (282, 90)


def test_the_table_says_how_many_there_are_also_when_there_are_none(gaze: Gaze, tmp_path: Path) -> None:
    shown = gaze("panels", strip(tmp_path), "--format", "human")
    assert "panels  3 in 282 x 90 pixels" in shown.out
    Image.new("RGB", (40, 30), "white").save(tmp_path / "plain.png")
    assert "panels  0 in 40 x 30 pixels" in gaze("panels", tmp_path / "plain.png", "--format", "human").out


def test_all_ways_to_say_where_panels_are_are_honoured(gaze: Gaze, tmp_path: Path) -> None:
    path = strip(tmp_path)
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"box": [5, 5, 20, 20], "label": "a cat"}]), encoding="utf-8")

    def lefts(*options: object) -> list[float]:
        return [each["box"][0] for each in gaze("panels", *options).document("panels")["regions"]]

    assert lefts(path, "--panels", "2") == [0, 141]
    assert lefts(path, "--rtl") == [182, 96, 0]
    assert lefts(path, "--regions", boxes) == [5]
    assert len(lefts(write_comic(tmp_path / "comic", 4))) == 4
    assert "a cat" in gaze("panels", path, "--regions", boxes, "--format", "human").out


def test_a_double_page_brings_a_warning_and_the_option_ends_it(gaze: Gaze, tmp_path: Path) -> None:
    double_page().save(tmp_path / "double.png")
    across = gaze("panels", tmp_path / "double.png")
    assert across.err.startswith("warning: this looks like two pages")
    assert across.document("panels")["picture"]["warnings"]
    by_page = gaze("panels", tmp_path / "double.png", "--spread")
    assert by_page.err == ""
    assert by_page.document("panels")["settings"]["spread"] is True


def test_the_picture_itself_is_never_replaced(gaze: Gaze, tmp_path: Path) -> None:
    path = strip(tmp_path)
    before = path.read_bytes()
    refused = gaze("panels", path, "-o", path, "--json")
    assert (refused.code, "would replace" in refused.error()["message"]) == (2, True)
    assert path.read_bytes() == before
