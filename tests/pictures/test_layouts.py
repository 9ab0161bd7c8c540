"""The layouts `raw`, `strips` and `manifest`: what they hold and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gazecli.errors import ComicsError, PictureError, UsageError
from gazecli.pictures.comics.comics import open_comics
from tests.pictures.drawn import noisy, strip_of, write_comic


def write_pages(folder: Path, pages: dict[int, list[int]]) -> None:
    folder.mkdir(parents=True)
    for page, panels in pages.items():
        for panel in panels:
            Image.new("RGB", (32, 32), (page % 256, panel, 0)).save(folder / f"{page}_{panel}.jpg")


def windows(folder: Path, **options: Any) -> list[tuple[str, list[str]]]:
    comics = open_comics(folder, **{"panels": 3, "height": 32, "gap": 2, **options})
    assert comics.layout == "raw"
    return [(strip.name, [source.stem for source in strip.sources]) for strip in comics.strips]


def test_a_raw_page_gives_one_window_of_consecutive_panels(tmp_path: Path) -> None:
    write_pages(tmp_path / "7", {0: [0, 1, 2, 3, 4], 1: [0, 1], 2: [0, 1, 3, 4, 5], 10: [0, 1, 2]})
    found = dict(windows(tmp_path))
    assert len(found) == 3
    assert found["7/2_3"] == ["2_3", "2_4", "2_5"]
    assert found["7/10_0"] == ["10_0", "10_1", "10_2"]
    assert windows(tmp_path) == windows(tmp_path)
    starts = {
        name for seed in range(12) for name, _ in windows(tmp_path, seed=seed) if name.startswith("7/0_")
    }
    assert starts == {"7/0_0", "7/0_1", "7/0_2"}


def test_outer_pages_of_long_raw_comics_are_left_out(tmp_path: Path) -> None:
    write_pages(tmp_path / "long", {page: [0, 1, 2] for page in range(12)})
    write_pages(tmp_path / "short", {page: [0, 1, 2] for page in range(10)})
    found = [name for name, _ in windows(tmp_path)]
    assert found == ["long/5_0", "long/6_0", *(f"short/{page}_0" for page in range(10))]


def test_raw_comics_without_a_window_are_skipped_with_the_longest_run(tmp_path: Path) -> None:
    write_pages(tmp_path / "a", {0: [0, 1, 2]})
    write_pages(tmp_path / "b", {0: [0, 1]})
    (tmp_path / "c").mkdir()
    comics = open_comics(tmp_path, panels=3)
    assert [(skip.path, skip.reason) for skip in comics.skipped] == [
        ("b", "no page has 3 consecutive panels, the most is 2"),
        ("c", "no files named page_panel.jpg"),
    ]


def test_whole_strips_are_cut_at_their_gutters(tmp_path: Path) -> None:
    strip_of([80, 90, 100], 60, 6).save(tmp_path / "b.png")
    strip_of([80, 90], 60, 6).save(tmp_path / "a.png")
    noisy(100, 60).save(tmp_path / "c.jpg")
    (tmp_path / "b.txt").write_text("One.\nTwo.\nThree.\n")
    comics = open_comics(tmp_path, panels=3)
    assert (comics.layout, comics.skipped[0].reason) == ("strips", "2 panels found, not 3")
    good, plain = comics.strips
    assert good.captions == ["One.", "Two.", "Three."]
    assert [region.box[0] for region in good.load().regions] == [0, 86, 182]
    with pytest.raises(ComicsError, match="1 panel found, not 3"):
        plain.load()


def test_whole_strips_run_from_the_right_on_demand(tmp_path: Path) -> None:
    strip_of([80, 90, 100], 60, 6).save(tmp_path / "b.png")
    comics, manga = open_comics(tmp_path, panels=3), open_comics(tmp_path, panels=3, rtl=True)
    assert [region.box[0] for region in manga.strips[0].load().regions] == [182, 86, 0]
    assert manga.digest != comics.digest


def double_page() -> Image.Image:
    """Two pages of two by two panels."""
    page = Image.new("RGB", (420, 200), "white")
    for left in (10, 110, 220, 320):
        for top in (10, 105):
            page.paste(noisy(90, 85), (left, top))
    return page


def test_double_pages_are_read_one_after_the_other_on_demand(tmp_path: Path) -> None:
    double_page().save(tmp_path / "a.png")
    across, pages = open_comics(tmp_path, panels=8), open_comics(tmp_path, panels=8, spread=True)
    manga = open_comics(tmp_path, panels=8, spread=True, rtl=True)
    starts = [[region.box[0] for region in each.strips[0].load().regions] for each in (across, pages, manga)]
    assert starts == [
        [10, 110, 220, 320, 10, 110, 220, 320],
        [10, 110, 10, 110, 220, 320, 220, 320],
        [320, 220, 320, 220, 110, 10, 110, 10],
    ]
    assert len({each.digest for each in (across, pages, manga)}) == 3
    write_comic(tmp_path / "folder" / "one", panels=2)
    with pytest.raises(UsageError, match="order in its files: spread"):
        open_comics(tmp_path / "folder", panels=2, spread=True)


def test_panels_of_a_kind_that_is_not_read_are_named(tmp_path: Path) -> None:
    write_comic(tmp_path / "good", panels=2)
    write_comic(tmp_path / "both", panels=2)
    write_comic(tmp_path / "bad", panels=2)
    (tmp_path / "both" / "p1.heic").write_bytes(b"the original")
    (tmp_path / "bad" / "p2.png").rename(tmp_path / "bad" / "p2.HEIC")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "p1.jxl").write_bytes(b"whatever")
    comics = open_comics(tmp_path, panels=2)
    assert [strip.name for strip in comics.strips] == ["both", "good"]
    assert [(skip.path, skip.reason, skip.hint) for skip in comics.skipped] == [
        ("bad", "panel 2 is p2.HEIC, and .HEIC pictures are not read", "save it as PNG or JPEG"),
        ("other", "panel 1 is p1.jxl, and .jxl pictures are not read", "save it as PNG or JPEG"),
    ]


def test_raw_pages_of_a_kind_that_is_not_read_are_named_once_a_comic(tmp_path: Path) -> None:
    write_pages(tmp_path / "a", {0: [0, 1, 2]})
    for comic, panels in (("a", 3), ("b", 1)):
        (tmp_path / comic).mkdir(exist_ok=True)
        for panel in range(panels):
            (tmp_path / comic / f"1_{panel}.heic").write_bytes(b"whatever")
    comics = open_comics(tmp_path, panels=3)
    assert (comics.layout, len(comics.strips)) == ("raw", 1)
    assert [(skip.path, skip.reason) for skip in comics.skipped] == [
        ("a/1_0.heic and 2 more", ".heic pictures are not read"),
        ("b/1_0.heic", ".heic pictures are not read"),
    ]


@pytest.mark.parametrize("name", ["a.heic", "p1.heic", "one/p1.heic", "one/0_1.heic"])
def test_a_folder_of_nothing_but_such_pictures_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(ComicsError, match=r"\.heic pictures are not read") as refused:
        open_comics(tmp_path, panels=2)
    assert refused.value.hint == "save it as PNG or JPEG"


def test_captions_of_whole_strips_may_stand_in_one_file(tmp_path: Path) -> None:
    strip_of([80, 90], 60, 6).save(tmp_path / "a.png")
    strip_of([90, 90], 60, 6).save(tmp_path / "b.png")
    (tmp_path / "captions.json").write_text(json.dumps({"a.png": ["One.", "Two."], "b": ["Only one."]}))
    comics = open_comics(tmp_path, panels=2)
    assert [strip.captions for strip in comics.strips] == [["One.", "Two."]]
    assert comics.skipped[0].reason == "captions.json has 1 captions for 2 panels"
    for broken in ("no json", "[]", '{"a": 3}', '{"a": [3]}'):
        (tmp_path / "captions.json").write_text(broken)
        with pytest.raises(ComicsError, match="captions"):
            open_comics(tmp_path, panels=2)


def test_whole_strips_of_another_count_name_it(tmp_path: Path) -> None:
    for name in "abc":
        strip_of([80, 90, 70, 60], 60, 6).save(tmp_path / f"{name}.png")
    with pytest.raises(ComicsError) as caught:
        open_comics(tmp_path)
    assert caught.value.hint == "use --panels 4"


def write_manifest(folder: Path, *lines: object) -> None:
    noisy(90, 40).save(folder / "a.png")
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "strips.jsonl").write_text(text)


BOXES = [[0, 0, 45, 40], [45, 0, 90, 40]]


def test_a_manifest_gives_regions_and_captions(tmp_path: Path) -> None:
    write_manifest(
        tmp_path,
        {"image": "a.png", "regions": BOXES, "captions": ["One.", "Two."]},
        "",
        {"image": "a.png", "regions": BOXES},
    )
    comics = open_comics(tmp_path, panels=2)
    assert (comics.layout, len(comics.strips), comics.skipped) == ("manifest", 2, [])
    assert comics.strips[0].captions == ["One.", "Two."]
    assert [list(region.box) for region in comics.strips[0].load().regions] == BOXES


def test_a_manifest_that_names_a_picture_that_is_not_read_says_so(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"image": "a.png", "regions": BOXES}, {"image": "b.heic", "regions": BOXES})
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    comics = open_comics(tmp_path, panels=2)
    assert [(skip.path, skip.reason) for skip in comics.skipped] == [
        ("b.heic", ".heic pictures are not read")
    ]


def test_boxes_are_part_of_the_digest(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"image": "a.png", "regions": BOXES})
    digest = open_comics(tmp_path, panels=2).digest
    write_manifest(tmp_path, {"image": "a.png", "regions": [[0, 0, 44, 40], [45, 0, 90, 40]]})
    assert open_comics(tmp_path, panels=2).digest != digest


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no json", "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("\ud800", "not JSON"),
        ([], "not a JSON object"),
        ({"regions": BOXES}, '"image"'),
        ({"image": 3, "regions": BOXES}, '"image"'),
        ({"image": "a.png"}, '"regions"'),
        ({"image": "a.png", "regions": BOXES[:1]}, "1 panel found, not 2"),
        ({"image": "a.png", "regions": [3, 4]}, "no box"),
        ({"image": "a.png", "regions": [[0, 0, "45", 40], BOXES[1]]}, "not a number"),
        ({"image": "a.png", "regions": [[0, 0, float("nan"), 40], BOXES[1]]}, "finite"),
        ({"image": "a.png", "regions": [[0, 0, 10**400, 40], BOXES[1]]}, "finite"),
        ({"image": "a.png", "regions": [[0, 0, 900, 40], BOXES[1]]}, "outside"),
        ({"image": "a.png", "regions": BOXES, "captions": "One."}, "captions"),
        ({"image": "a.png", "regions": BOXES, "captions": ["One."]}, "1 captions for 2 panels"),
        ({"image": "none.png", "regions": BOXES}, "no picture none.png"),
        ({"image": "../secret.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "sub/../a.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "..\\secret.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "/etc/passwd", "regions": BOXES}, "outside the manifest"),
        ({"image": "C:\\a.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "link.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "linked/secret.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "loop.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "a\0.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "\ud800.png", "regions": BOXES}, "outside the manifest"),
        ({"image": "x" * 5000, "regions": BOXES}, "outside the manifest"),
        ({"image": ".", "regions": BOXES}, "no picture"),
        ({"image": "strips.jsonl", "regions": BOXES}, "not a picture"),
    ],
)
def test_lines_that_do_not_fit_are_skipped_with_their_number(
    tmp_path: Path, line: object, reason: str
) -> None:
    folder = tmp_path / "comics"
    folder.mkdir()
    noisy(90, 40).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    write_manifest(folder, {"image": "a.png", "regions": BOXES}, "" if line == "\ud800" else line)
    if line == "\ud800":
        with (folder / "strips.jsonl").open("ab") as file:
            file.write(b"\xff\n")
    comics = open_comics(folder, panels=2)
    assert len(comics.strips) == 1
    assert reason in comics.skipped[0].reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("a.png"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["image", "regions", "captions"]), inner, max_size=3)
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(lines=st.lists(json_values | st.text(max_size=20).filter(lambda text: "\n" not in text), max_size=4))
def test_any_manifest_gives_good_strips_or_named_skips(tmp_path: Path, lines: list[object]) -> None:
    write_manifest(tmp_path, {"image": "a.png", "regions": BOXES}, *[json.dumps(line) for line in lines])
    comics = open_comics(tmp_path, panels=2)
    assert len(comics.strips) + len(comics.skipped) == 1 + len(lines)
    assert all(skip.reason for skip in comics.skipped)


def test_pictures_that_are_not_read_are_named_among_the_skipped(tmp_path: Path) -> None:
    strip_of([40, 40], 60, 6).save(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"anything")
    (tmp_path / "notes.md").write_text("no picture", encoding="utf-8")
    comics = open_comics(tmp_path, panels=2)
    assert [(skip.path, skip.reason) for skip in comics.skipped] == [
        ("b.heic", ".heic pictures are not read")
    ]


def test_jpegs_of_any_name_count_as_panels(tmp_path: Path) -> None:
    folder = write_comic(tmp_path / "comic", 1)
    noisy(64, 64).save(folder / "p2.jfif", "JPEG")
    assert len(open_comics(tmp_path, panels=2).strips) == 1


def test_a_strip_that_vanishes_is_named_by_its_folder(tmp_path: Path) -> None:
    write_comic(tmp_path / "comic", 2)
    [strip] = open_comics(tmp_path, panels=2).strips
    (tmp_path / "comic").rename(tmp_path / "elsewhere")
    for use in (strip.check, strip.load):
        with pytest.raises(PictureError, match="no longer there") as caught:
            use()
        assert caught.value.subject == str(tmp_path / "comic")
