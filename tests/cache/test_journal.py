"""Records are appended and found again by key, whatever was cut short, damaged, or written at once."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.cache.journal import Journal, is_damaged

texts = st.lists(st.text(), max_size=3)


def journal(path: Path, heard: list[str] | None = None) -> Journal:
    return Journal(path, ([] if heard is None else heard).append)


@given(st.lists(st.tuples(st.sampled_from("abc"), texts), max_size=8))
def test_the_newest_record_of_each_key_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, list[str]]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "texts" / "one.jsonl"
    first = journal(path)
    for key, record in written:
        first.put(key, record)
    first.close()
    again = journal(path)
    assert {key: again.get(key) for key in "abc"} == {key: dict(written).get(key) for key in "abc"}


@given(st.integers(1, 400))
def test_what_a_kill_cut_short_costs_that_record_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "one.jsonl"
    first = journal(path)
    first.put("a", ["kept"])
    whole = path.stat().st_size
    first.put("b", ["cut"] * 20)
    data = path.read_bytes()
    path.write_bytes(data[: max(whole, len(data) - 1 - cut)])
    later = journal(path)
    assert (later.get("a"), later.get("b")) == (["kept"], None)
    later.put("c", ["new"])
    assert [journal(path).get(key) for key in "abc"] == [["kept"], None, ["new"]]
    assert not is_damaged(path)


def test_a_changed_record_counts_as_absent_and_is_said(tmp_path: Path) -> None:
    path, heard = tmp_path / "one.jsonl", list[str]()
    first = journal(path)
    first.put("a", ["red"])
    first.put("b", ["blue"])
    path.write_bytes(path.read_bytes().replace(b"red", b"bed"))
    again = journal(path, heard)
    assert (again.get("a"), again.get("b")) == (None, ["blue"])
    assert any("damaged" in line for line in heard)
    assert is_damaged(path)


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("a file", encoding="utf-8")
    heard: list[str] = []
    unwritable = journal(tmp_path / "texts" / "one.jsonl", heard)
    unwritable.put("a", ["kept in memory"])
    unwritable.put("b", ["too"])
    assert sum("not kept" in line for line in heard) == 1


def _append(path: Path, number: int) -> None:
    mine = journal(path)
    for record in range(40):
        mine.put(f"{number}-{record}", ["text"] * number * 30)


def test_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    path, context = tmp_path / "one.jsonl", get_context("fork")
    started = [context.Process(target=_append, args=(path, number)) for number in range(1, 5)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    found = journal(path)
    assert all(
        found.get(f"{number}-{record}") == ["text"] * number * 30
        for number in range(1, 5)
        for record in range(40)
    )
