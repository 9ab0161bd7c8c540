"""Partial results are found again, and damaged ones count as none."""

from __future__ import annotations

import shutil

import pytest

from tests.cache.samples import everything_in, listening, sample


def test_partial_results_are_replaced_loaded_and_cleared(tmp_path):
    cache, _ = listening(tmp_path)
    partial = cache.partial_results({"model": "tiny", "samples": 40})
    assert partial.load() is None
    for number in range(3):
        assert partial.save(sample(number, kind="partial"))
    saved = cache.partial_results({"samples": 40, "model": "tiny"}).load()
    assert saved is not None
    assert saved.digest == sample(2, kind="partial").digest
    assert len(everything_in(tmp_path)) == 1
    assert cache.partial_results({"samples": 41, "model": "tiny"}).load() is None
    assert cache.entries() == []
    partial.clear()
    partial.clear()
    assert partial.load() is None


@pytest.mark.parametrize("damage", ["emptied", "flipped", "of another request", "an artifact"])
def test_damaged_partial_results_are_set_aside_with_a_warning(tmp_path, damage):
    cache, heard = listening(tmp_path)
    partial, other = cache.partial_results({"n": 1}), cache.partial_results({"n": 2})
    partial.save(sample())
    (path,) = everything_in(tmp_path)
    other.save(sample(2))
    (other_path,) = set(everything_in(tmp_path)) - {path}
    if damage == "emptied":
        path.write_bytes(b"")
    elif damage == "flipped":
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    elif damage == "of another request":
        shutil.copy(other_path, path)
    else:
        shutil.copy(cache.put(sample())[1], path)
    assert partial.load() is None
    assert len(heard) == 1
    assert not path.exists()
    assert partial.load() is None
    assert len(heard) == 1
    assert other.load() is not None


def test_verify_reads_partial_results_too(tmp_path):
    cache, _ = listening(tmp_path)
    cache.partial_results({"n": 1}).save(sample())
    assert cache.verify() == []
    (path,) = everything_in(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert [damage.path for damage in cache.verify()] == [path]


def test_partial_results_that_cannot_be_saved_are_warned_of_once(tmp_path):
    cache, heard = listening(tmp_path)
    (tmp_path / "progress").write_text("a file where the folder should be")
    partial = cache.partial_results({"n": 1})
    assert [partial.save(sample(number)) for number in range(3)] == [False] * 3
    assert len(heard) == 1
    assert "partial results are not saved" in heard[0]
    partial.clear()


def test_parts_of_processes_stand_beside_each_other(tmp_path):
    cache, heard = listening(tmp_path)
    partial, other = cache.partial_results({"n": 1}), cache.partial_results({"n": 2})
    partial.part(2).save(sample(2))
    partial.part(11).save(sample(11))
    other.part(1).save(sample(1))
    assert [part.load().digest if part.load() else None for part in partial.parts()] == [
        None,
        sample(2).digest,
        sample(11).digest,
    ]
    assert partial.part(0) is partial
    assert cache.verify() == []
    partial.clear_parts()
    assert [part.load() for part in partial.parts()] == [None]
    assert other.part(1).load() is not None
    assert heard == []


def test_a_damaged_part_is_set_aside_alone(tmp_path):
    cache, heard = listening(tmp_path)
    partial = cache.partial_results({"n": 1})
    partial.part(1).save(sample(1))
    (path,) = everything_in(tmp_path)
    partial.save(sample())
    path.write_bytes(path.read_bytes()[:-1])
    assert partial.part(1).load() is None
    assert partial.load() is not None
    assert len(heard) == 1
