"""Drawn strips: captions fit the panels, and no test strip shows what training saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazecli.errors import UsageError
from gazecli.tiny.comics import example_strips, make_comics
from gazecli.tiny.scenes import ACTIONS, COLOURS, OBJECTS, PLACES, SUBJECTS, Scene

ALL = {
    Scene(c, s, a, o, p).caption: Scene(c, s, a, o, p)
    for c in COLOURS
    for s in SUBJECTS
    for a in ACTIONS
    for o in OBJECTS
    for p in PLACES
}


@pytest.mark.parametrize(("split", "held_out"), [("test", {True}), ("train", {False})])
def test_strips_keep_to_their_split(tmp_path: Path, split: str, held_out: set[bool]) -> None:
    made = make_comics(tmp_path / "x", 3, 11, 2, split)  # type: ignore[arg-type]
    captions = [line for strip in made for line in (strip / "captions.txt").read_text().splitlines()]
    assert len(captions) == 6
    assert {ALL[caption].held_out for caption in captions} == held_out


def test_progress_is_told_strip_by_strip(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    make_comics(tmp_path / "x", 2, 0, 1, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 2), (2, 2)]


def test_a_link_in_the_place_of_a_strip_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "p1.png").write_bytes(b"mine")
    dest = tmp_path / "x"
    dest.mkdir()
    (dest / "strip-0001").symlink_to(mine)
    with pytest.raises(UsageError):
        make_comics(dest, 1, 0, force=True)
    assert (mine / "p1.png").read_bytes() == b"mine"


def test_example_strips_have_their_panels_and_are_the_same_each_time() -> None:
    first, second = example_strips(2)
    assert [len(strip.regions) for strip in (first, second)] == [6, 6]
    assert first.sha256 != second.sha256
    assert first.sha256 == example_strips(1)[0].sha256
