"""What a folder is told whose panels have other names, and hints that never lead round in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gazecli.api.comics import check
from gazecli.errors import ComicsError, UsageError
from gazecli.heads.request import Settings
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.comics.renaming import renaming_of


def panels_in(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (40, 40), (shade * 20, 90, 40)).save(folder / name)
    return folder


def hint_of(folder: Path, panels: int = 2) -> str:
    with pytest.raises(ComicsError) as caught:
        check(folder, panels=panels)
    return str(caught.value.hint)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("1.png", "2.png"), "rename 1.png to p1.png, 2.png to p2.png"),
        (("panel_09.png", "panel_10.png"), "rename panel_09.png to p1.png, panel_10.png to p2.png"),
        (("x1-1.png", "x1-2.png"), "rename x1-1.png to p1.png, x1-2.png to p2.png"),
        (("page3-1.png", "page4-1.png"), "rename page3-1.png to 3_1.png, page4-1.png to 4_1.png"),
    ],
)
def test_a_folder_of_comics_under_other_names_is_told_what_to_rename(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    panels_in(tmp_path / "monday", *names)
    assert hint_of(tmp_path) == f"in monday, {words}"


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=2, max_size=9, unique=True), st.sampled_from(["", "a", "page_"])
)
def test_what_is_renamed_as_told_is_read_in_the_order_of_its_numbers(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], stem: str
) -> None:
    comic = tmp_path_factory.mktemp("comics") / "monday"
    panels_in(comic, *(f"{stem}{number}.png" for number in numbers))
    words = str(renaming_of(comic))
    first, second = sorted(numbers)[:2]
    assert words.startswith(f"rename {stem}{first}.png to p1.png, {stem}{second}.png to p2.png")
    for place, number in enumerate(sorted(numbers), 1):
        (comic / f"{stem}{number}.png").rename(comic / f"p{place}.png")
    assert renaming_of(comic) is None
    assert len(open_comics(comic.parent, panels=len(numbers)).strips) == 1


def test_panels_that_lie_in_the_folder_itself_are_told_to_have_one_of_their_own(tmp_path: Path) -> None:
    panels_in(tmp_path, "1.png", "2.png", "3.png")
    assert hint_of(tmp_path) == (
        "if each file is one panel, give every comic a folder of its own, and in it rename 1.png to p1.png, "
        "2.png to p2.png and so on"
    )


def test_a_comic_among_good_ones_is_told_what_to_rename(tmp_path: Path) -> None:
    panels_in(tmp_path / "good", "p1.png", "p2.png")
    panels_in(tmp_path / "other", "1.png", "2.png")
    panels_in(tmp_path / "three", "p1.png", "p2.png", "p3.png")
    hints = {skip.path: skip.hint for skip in check(tmp_path, panels=2).skipped}
    assert hints == {"other": "rename 1.png to p1.png, 2.png to p2.png", "three": "use --panels 3"}


def test_one_picture_is_sent_to_steer_and_not_to_a_number_of_panels_that_is_refused(tmp_path: Path) -> None:
    panels_in(tmp_path, "photo.png")
    hint = hint_of(tmp_path, panels=6)
    assert "--panels" not in hint
    assert "gaze steer PICTURE --region left" in hint
    with pytest.raises(UsageError) as caught:
        Settings(panels=1).check()
    assert "gaze steer PICTURE --region left" in str(caught.value.hint)
