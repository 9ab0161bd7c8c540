"""Digests of files are remembered, and never wrong."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from gazecli.cache import Cache, file_digest, file_digests
from tests.cache.samples import everything_in, start


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _remembered(cache: Cache) -> int:
    from gazecli.cache.files import read_record

    notes = [read_record(path) for path in everything_in(cache.root)]
    return sum(len(note["files"]) for note in notes if note)


def _folder(path, count=3, wait=True):
    path.mkdir()
    for number in range(count):
        (path / f"{number} ü.bin").write_bytes(str(number).encode())
    if wait:
        time.sleep(2.1)
    return sorted(path.iterdir())


def test_files_have_their_digests_with_and_without_a_cache(tmp_path):
    paths = _folder(tmp_path / "f", wait=False)
    expected = [_sha(path.read_bytes()) for path in paths]
    cache = Cache(tmp_path / "cache")
    assert file_digests(paths, None) == file_digests(paths, cache.root) == expected
    assert file_digests(paths[::-1], cache.root) == expected[::-1]
    assert file_digest(paths[0], cache.root) == expected[0]
    assert file_digests([], cache.root) == []


def test_a_file_just_written_is_not_remembered_and_a_settled_one_is(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = _folder(tmp_path / "f", wait=False)
    file_digests(paths, cache.root)
    assert _remembered(cache) == 0
    time.sleep(2.1)
    first = file_digests(paths, cache.root)
    assert _remembered(cache) == 3
    assert file_digests(paths, cache.root) == first
    note = everything_in(cache.root)[0].stat().st_mtime_ns
    assert file_digests(paths, cache.root) == first
    assert everything_in(cache.root)[0].stat().st_mtime_ns == note


def test_a_changed_file_has_its_new_digest_even_with_its_old_size_and_time(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = _folder(tmp_path / "f")
    file_digests(paths, cache.root)
    before = paths[0].stat()
    paths[0].write_bytes(b"7")
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digests(paths, cache.root)[0] == _sha(b"7")
    swapped = tmp_path / "swapped"
    swapped.write_bytes(b"8")
    os.replace(swapped, paths[1])
    assert file_digests(paths, cache.root) == [_sha(b"7"), _sha(b"8"), _sha(b"2")]


@pytest.mark.slow
def test_what_is_remembered_is_used_while_damaged_notes_are_not(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = _folder(tmp_path / "f")
    expected = file_digests(paths, cache.root)
    (note,) = everything_in(cache.root)
    whole = note.read_bytes()
    assert expected[0].encode() in whole
    for damage in (b"", whole[:-4], whole.replace(expected[0].encode(), expected[1].encode()), b"{}"):
        note.write_bytes(damage)
        assert file_digests(paths, cache.root) == expected
        assert note.read_bytes() == whole


@pytest.mark.slow
def test_files_that_are_gone_are_forgotten_and_others_kept(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = _folder(tmp_path / "f")
    file_digests(paths[:2], cache.root)
    file_digests(paths[2:], cache.root)
    assert _remembered(cache) == 3
    paths[0].unlink()
    (paths[1]).write_bytes(b"new")
    time.sleep(2.1)
    file_digests(paths[1:], cache.root)
    assert _remembered(cache) == 2


def test_a_missing_file_is_the_callers_to_explain(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none", Cache(tmp_path / "cache").root)


@pytest.mark.slow
def test_five_hundred_files_take_no_time_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = _folder(tmp_path / "f", 500)
    expected = file_digests(paths, cache.root)
    started = time.perf_counter()
    assert file_digests(paths, cache.root) == expected
    assert time.perf_counter() - started < 0.5


@pytest.mark.slow
def test_many_processes_remember_at_once(tmp_path):
    paths = _folder(tmp_path / "f", 40)
    script = """if True:
        import sys
        from gazecli.cache import Cache, file_digests
        for first in range(0, 40, 4):
            digests = file_digests(sys.argv[2:][first : first + 4], Cache(sys.argv[1]).root)
        print(*file_digests(sys.argv[2:], Cache(sys.argv[1]).root))
    """
    workers = [start(script, tmp_path / "cache", *paths) for _ in range(6)]
    outputs = {worker.communicate(timeout=60) for worker in workers}
    assert outputs == {(" ".join(_sha(path.read_bytes()) for path in paths) + "\n", "")}
    assert _remembered(Cache(tmp_path / "cache")) == 40
