"""Comics folders: recognised, listed, sampled, digested; bad strips skipped with their reasons."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gazecli.cache import Cache
from gazecli.cache.file_digests import file_digests
from gazecli.errors import ComicsError, PictureError, UsageError
from gazecli.pictures.comics.comics import Comics, hash_anew, open_comics
from tests.pictures.drawn import strip_of, write_comic


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        write_comic(tmp_path / "comics" / f"comic {number}", 3, size=(40, 32), seed=number)
    return tmp_path / "comics"


def opened(folder: Path, **options: Any) -> Comics:
    return open_comics(folder, **{"panels": 3, "height": 32, "gap": 2, **options})


def names(comics: Comics) -> list[str]:
    return [strip.name for strip in comics.strips]


def test_strips_stand_in_natural_order(folder: Path) -> None:
    comics = opened(folder)
    assert (comics.layout, comics.panels, comics.skipped) == ("panels", 3, [])
    assert names(comics) == [f"comic {number}" for number in range(12)]
    picture = comics.strips[0].load()
    assert (picture.width, picture.height) == (96, 32)
    assert [region.number for region in picture.regions] == [1, 2, 3]


def test_samples_are_drawn_by_the_seed_and_keep_their_order(folder: Path) -> None:
    drawn = names(opened(folder, samples=5))
    assert len(drawn) == 5
    assert drawn == sorted(drawn, key=lambda name: int(name.split()[1]))
    assert drawn == names(opened(folder, samples=5))
    assert len({tuple(names(opened(folder, samples=5, seed=seed))) for seed in range(5)}) > 1
    assert names(opened(folder, samples=99)) == names(opened(folder))


def test_bad_strips_do_not_eat_into_the_samples(folder: Path) -> None:
    for number in range(6):
        (folder / f"comic {number}" / "p2.png").write_bytes(b"")
    comics = opened(folder, samples=6)
    assert names(comics) == [f"comic {number}" for number in range(6, 12)]
    assert all("empty" in skip.reason or "not a picture" in skip.reason for skip in comics.skipped)


def test_the_digest_follows_contents_and_settings_and_not_names_or_places(
    folder: Path, tmp_path: Path
) -> None:
    digest = opened(folder).digest
    assert digest.startswith("sha256:")
    shutil.copytree(folder, tmp_path / "élsewhere")
    for number, comic in enumerate(opened(tmp_path / "élsewhere").strips):
        comic.sources[0].parent.rename(tmp_path / "élsewhere" / f"renamed {number}")
    (tmp_path / "élsewhere" / "renamed 3" / "captions.txt").write_text("a\nb\nc\n")
    assert opened(tmp_path / "élsewhere").digest == digest
    assert opened(folder, height=64).digest != digest
    assert opened(folder, gap=4).digest != digest
    assert opened(folder, samples=11).digest != digest
    with (folder / "comic 7" / "p1.png").open("ab") as file:
        file.write(b"\0")
    assert opened(folder).digest != digest


def test_digests_that_were_remembered_spare_reading_the_files(folder: Path) -> None:
    comics = opened(folder)
    asked: list[Path] = []

    def remembered(files: Sequence[Path]) -> list[str]:
        asked.extend(files)
        return hash_anew(files)

    assert replace(comics, hash_files=remembered).digest == comics.digest
    assert sorted(asked) == sorted(folder.glob("*/p*.png"))


def test_a_file_that_went_away_is_named_whoever_hashes(folder: Path, tmp_path: Path) -> None:
    comics = replace(
        opened(folder), hash_files=lambda files: file_digests(files, Cache(tmp_path / "cache").root)
    )
    gone = folder / "comic 3" / "p2.png"
    gone.unlink()
    with pytest.raises(PictureError) as caught:
        _ = comics.digest
    assert caught.value.subject == str(gone)


def test_one_bad_strip_among_good_ones_is_skipped_with_its_reason(folder: Path) -> None:
    (folder / "comic 2" / "p3.png").unlink()
    (folder / "comic 4" / "p2.png").unlink()
    (folder / "comic 5" / "p1.png").write_bytes(b"no picture")
    (folder / "comic 6" / "p1.jpg").write_bytes(b"")
    (folder / "notes").mkdir()
    comics = opened(folder)
    assert len(comics.strips) == 8
    reasons = {skip.path: skip.reason for skip in comics.skipped}
    assert reasons == {
        "comic 2": "2 panels found, not 3",
        "comic 4": "panel 2 is missing",
        "comic 5": "this is not a picture of a known format",
        "comic 6": "two files for panel 1",
        "notes": "no panel files p1.png, p2.png, …",
    }


def test_damage_behind_the_header_is_found_by_loading(folder: Path) -> None:
    panel = folder / "comic 5" / "p1.png"
    panel.write_bytes(panel.read_bytes()[:100])
    strips = {strip.name: strip for strip in opened(folder).strips}
    with pytest.raises(PictureError) as caught:
        strips["comic 5"].load()
    assert caught.value.subject == str(panel)


def test_a_folder_whose_every_strip_is_damaged_is_refused_before_work_starts(folder: Path) -> None:
    for panel in folder.glob("*/p1.png"):
        panel.write_bytes(panel.read_bytes()[:100])
    with pytest.raises(ComicsError, match="no strip can be used"):
        opened(folder)


def test_another_number_of_panels_everywhere_names_the_right_one(folder: Path) -> None:
    with pytest.raises(ComicsError) as caught:
        opened(folder, panels=6)
    assert "comic 0: 3 panels found, not 6" in caught.value.message
    assert "and 9 more" in caught.value.message
    assert caught.value.hint == "use --panels 3"


def test_captions_come_along_and_a_wrong_count_is_named(folder: Path) -> None:
    (folder / "comic 0" / "captions.txt").write_text("A cat.\r\nEin Häuschen.\nA dog.\n", encoding="utf-8")
    (folder / "comic 1" / "captions.txt").write_text("One.\nTwo.\n")
    (folder / "comic 2" / "captions.txt").write_bytes(b"\xff\xfe\xfa")
    comics = opened(folder)
    assert comics.strips[0].captions == ["A cat.", "Ein Häuschen.", "A dog."]
    assert [skip.reason for skip in comics.skipped] == [
        "captions.txt has 2 captions for 3 panels",
        "captions.txt is not UTF-8 text",
    ]
    assert comics.strips[1].captions is None


def test_a_comic_itself_is_a_folder_of_one_strip(folder: Path) -> None:
    comics = opened(folder / "comic 3")
    assert (names(comics), comics.layout) == (["comic 3"], "panels")


def test_links_in_circles_and_pipes_do_not_hang(folder: Path) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "up").symlink_to(folder)
    (folder / "comic 1" / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    (folder / "comic 2" / "p1.png").unlink()
    os.mkfifo(folder / "comic 2" / "p1.png")
    assert len(opened(folder).strips) == 11


def test_odd_names_are_only_names(folder: Path) -> None:
    for number, name in enumerate(
        ["a\nb", "\x1b[31mred", "<script>", "-rf", "名前", os.fsdecode(b"\xff\xfe")]
    ):
        (folder / f"comic {number}").rename(folder / name)
    assert len(opened(folder).strips) == 12


def test_what_is_no_folder_of_comics_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, message in (("none", "no such folder"), ("file", "not a folder"), ("empty", "no comics")):
        for layout in (None, "panels"):
            with pytest.raises(ComicsError, match=message) as caught:
                open_comics(tmp_path / name, layout=layout)
            assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"panels": 0},
        {"panels": 101},
        {"samples": 0},
        {"samples": -1},
        {"layout": "pdf"},
        {"height": 0},
        {"gap": -1},
        {"rtl": True},
    ],
)
def test_impossible_options_are_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        opened(folder, **options)


def test_a_layout_can_be_forced(folder: Path) -> None:
    strip_of([60, 60, 60], 40, 6).save(folder / "page.png")
    assert opened(folder).layout == "panels"
    assert names(opened(folder, layout="strips")) == ["page.png"]
    with pytest.raises(ComicsError):
        opened(folder, layout="manifest")
    with pytest.raises(ComicsError):
        opened(folder, layout="raw")
