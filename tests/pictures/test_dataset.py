"""Comics fetched from a Hub: what is written, what is checked, and what a second call spares."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from gazecli.errors import ComicsError, UsageError
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.comics.dataset import PAPER_DATASET, fetch_comics, source_of
from tests.fixtures.hub_server import Hub

CARD = b"---\nlicense: cc-by-4.0\ntags:\n- comics\n---\n# Strips\n"
Row = dict[str, object]


def encoded(shade: int, form: str = "PNG", size: int = 40) -> bytes:
    Image.new("RGB", (size, size), (shade % 256, 80, 160)).save(out := io.BytesIO(), form)
    return out.getvalue()


def row(name: object, shade: int = 0, panels: int = 3, **more: object) -> Row:
    pictures = {f"panel_{k}": {"bytes": encoded(shade + k), "path": f"{k}.png"} for k in range(1, panels + 1)}
    return (
        {"comic_id": name, "captions": [f"Caption {k}\nof {name}." for k in range(panels)]} | pictures | more
    )


def parquet(*rows: Row) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), out)
    return out.getvalue()


@pytest.fixture
def here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub.use_here(monkeypatch, tmp_path / "hf")
    return hub


def published(hub: Hub, *files: bytes, name: str = PAPER_DATASET) -> str:
    named = {f"data/train-{k:05}.parquet": data for k, data in enumerate(files)}
    return hub.add(name, {"README.md": CARD, **named}, "datasets").commit


def test_comics_are_written_as_they_were_published_with_their_captions(here: Hub, tmp_path: Path) -> None:
    commit = published(here, parquet(row("b", 10), row("a", 20)), parquet(row("c", 30)))
    steps: list[tuple[int, int]] = []
    source = fetch_comics(tmp_path / "comics", progress=lambda done, total: steps.append((done, total)))
    assert (source.revision, source.license, source.strips, source.panels) == (commit, "cc-by-4.0", 3, 3)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "comics" / "b" / "p2.png").read_bytes() == encoded(12)
    opened = open_comics(tmp_path / "comics", panels=3)
    assert (opened.layout, [strip.name for strip in opened.strips]) == ("panels", ["a", "b", "c"])
    assert opened.strips[0].captions == ["Caption 0 of a.", "Caption 1 of a.", "Caption 2 of a."]
    noted = json.loads((tmp_path / "comics" / "source.json").read_text())
    assert (noted["dataset"], noted["revision"], noted["license"]) == (PAPER_DATASET, commit, "cc-by-4.0")


def test_a_second_call_asks_the_hub_nothing(here: Hub, tmp_path: Path) -> None:
    commit = published(here, parquet(row("a")))
    first = fetch_comics(tmp_path / "comics")
    asked = len(here.asked)
    assert fetch_comics(tmp_path / "comics") == first
    assert fetch_comics(tmp_path / "comics", revision=commit) == first
    assert len(here.asked) == asked


def test_an_interrupted_call_goes_on_and_ends_with_the_same_folder(here: Hub, tmp_path: Path) -> None:
    published(here, parquet(*(row(f"comic {k}", k) for k in range(5))))
    whole = fetch_comics(tmp_path / "whole")

    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_comics(tmp_path / "comics", progress=interrupt)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "comics").rglob("p?.png")}
    assert len(written) == 6
    assert fetch_comics(tmp_path / "comics") == whole
    assert {path: path.stat().st_mtime_ns for path in written} == written
    digests = {open_comics(tmp_path / name, panels=3).digest for name in ("whole", "comics")}
    assert len(digests) == 1


def test_an_interrupted_call_stays_with_the_commit_it_began_with(here: Hub, tmp_path: Path) -> None:
    commit = published(here, parquet(row("a"), row("b")))

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_comics(tmp_path / "comics", progress=interrupt)
    began = source_of(tmp_path / "comics")
    assert began is not None
    assert (began.revision, began.strips) == (commit, None)
    published(here, parquet(row("x")))
    # The Hub that stands in keeps one commit; what was transferred before is taken from this machine.
    assert fetch_comics(tmp_path / "comics").revision == commit
    assert sorted(path.name for path in (tmp_path / "comics").iterdir() if path.is_dir()) == ["a", "b"]


def test_a_transfer_that_breaks_off_is_taken_up(here: Hub, tmp_path: Path) -> None:
    published(here, parquet(*(row(f"c{k}", k, panels=2) for k in range(40))))
    here.broken.add("data/train-00000.parquet")
    assert fetch_comics(tmp_path / "comics").strips == 40
    assert not here.broken


def test_a_comic_taken_away_is_written_again(here: Hub, tmp_path: Path) -> None:
    published(here, parquet(row("a"), row("b")))
    fetch_comics(tmp_path / "comics")
    for file in (tmp_path / "comics" / "a").iterdir():
        file.unlink()
    (tmp_path / "comics" / "a").rmdir()
    assert fetch_comics(tmp_path / "comics").strips == 2
    (tmp_path / "comics" / "b" / "p3.png").unlink()
    with pytest.raises(ComicsError, match="incomplete"):
        fetch_comics(tmp_path / "comics")


def test_a_damaged_picture_costs_its_comic_and_no_other(here: Hub, tmp_path: Path) -> None:
    damaged = row("bad", panel_2={"bytes": encoded(7, size=400)[:-60], "path": None})
    absent = row("absent", panel_1={"bytes": None, "path": "elsewhere.png"})
    moving = row("moving", panel_1={"bytes": encoded(3, "GIF"), "path": None})
    published(here, parquet(damaged, row("good"), absent, moving, row("good")))
    source = fetch_comics(tmp_path / "comics")
    assert source.strips == 1
    reasons = [f"{skip.path}: {skip.reason}" for skip in source.skipped]
    assert len(reasons) == 4
    assert reasons[1:] == [
        "absent: panel 1 has no picture",
        "moving: panel 1 is not a PNG, JPEG or WebP picture",
        "good: another comic has this comic_id",
    ]


@pytest.mark.parametrize(
    ("comic_id", "folder"),
    [("../../etc", "etc"), ("a/b c", "a-b-c"), (17, "17"), (".hidden", "hidden"), ("漫画", "strip-0001")],
)
def test_a_comic_lies_in_a_folder_of_the_folder(
    here: Hub, tmp_path: Path, comic_id: object, folder: str
) -> None:
    published(here, parquet(row(comic_id)))
    fetch_comics(tmp_path / "comics")
    assert (tmp_path / "comics" / folder / "p1.png").is_file()


@pytest.mark.parametrize(
    ("more", "captions"),
    [
        ({"captions": None, "caption_1": "One.", "caption_2": "Two."}, ["One.", "Two."]),
        ({"captions": None}, None),
        ({"captions": ["", ""]}, None),
    ],
)
def test_captions_are_taken_from_a_list_or_from_columns(
    here: Hub, tmp_path: Path, more: Row, captions: list[str] | None
) -> None:
    published(here, parquet(row("a", panels=2, **more)))
    fetch_comics(tmp_path / "comics")
    assert open_comics(tmp_path / "comics", panels=2).strips[0].captions == captions


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (lambda hub: None, ComicsError, "RepositoryNotFound"),
        (lambda hub: published(hub, parquet({"text": "no comic"})), ComicsError, "holds no comics"),
        (lambda hub: published(hub, b"no parquet"), ComicsError, "damaged"),
        (lambda hub: published(hub, parquet(row("a", panel_1=None))), ComicsError, "no comic can be used"),
    ],
)
def test_what_cannot_be_fetched_is_said(
    here: Hub, tmp_path: Path, prepare: Callable[[Hub], object], error: type[Exception], message: str
) -> None:
    prepare(here)
    with pytest.raises(error, match=message):
        fetch_comics(tmp_path / "comics")


def test_a_folder_of_something_else_is_left_alone(here: Hub, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        fetch_comics(tmp_path / "mine")
    published(here, parquet(row("a")))
    published(here, parquet(row("a")), name="someone/strips")
    fetch_comics(tmp_path / "comics")
    with pytest.raises(UsageError, match=PAPER_DATASET):
        fetch_comics(tmp_path / "comics", "someone/strips")
    with pytest.raises(UsageError, match="main"):
        fetch_comics(tmp_path / "comics", revision="v2")


def test_without_pyarrow_the_error_names_the_extra(
    here: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pyarrow") as missing:
        fetch_comics(tmp_path / "comics")
    assert "gazecli[data]" in str(missing.value.hint)
    assert not here.asked
    assert not (tmp_path / "comics").exists()


def test_a_file_is_no_place_for_comics(tmp_path: Path) -> None:
    taken = tmp_path / "taken.png"
    taken.write_bytes(b"kept")
    with pytest.raises(UsageError, match="a file, not a folder"):
        fetch_comics(taken)
    assert taken.read_bytes() == b"kept"
