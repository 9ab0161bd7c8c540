"""Removal takes what it was asked to take, and never anything outside the cache."""

from __future__ import annotations

import os
import time

import pytest

from gazecli.cache import Artifact, Cache
from gazecli.errors import CacheError, HeadSetError
from tests.cache.samples import everything_in, sample


def test_remove_takes_what_is_named_and_tells_what_it_took(tmp_path):
    cache = Cache(tmp_path)
    first, path = cache.put(sample(1))
    second, _ = cache.put(sample(2))
    size = path.stat().st_size
    (listed,) = cache.remove([first], dry_run=True)
    assert path.exists()
    (removed,) = cache.remove([first, first])
    assert removed == listed
    assert (removed.path, removed.bytes, removed.kind, removed.digest) == (path, size, "headset", first)
    assert [entry.digest for entry in cache.entries()] == [second]


def test_nothing_is_removed_when_one_of_several_is_unknown(tmp_path):
    cache = Cache(tmp_path)
    digest, path = cache.put(sample())
    for other in (sample(9).digest, digest[:20], "../../outside", ""):
        with pytest.raises(HeadSetError):
            cache.remove([digest, other])
    assert path.exists()


def test_links_out_of_the_cache_are_neither_followed_nor_listed(tmp_path):
    cache = Cache(tmp_path / "cache")
    digest, path = cache.put(sample())
    precious = tmp_path / "precious"
    precious.mkdir()
    os.rename(path, precious / path.name)
    (path.parent / "folder.safetensors").symlink_to(precious)
    path.symlink_to(precious / path.name)
    with pytest.raises(HeadSetError):
        cache.remove([digest])
    assert cache.prune(0) == []
    assert (precious / path.name).exists()


@pytest.mark.parametrize(
    "folder", ["artifacts", "damaged", "progress", "requests", "latest", "models", "digests", "locks"]
)
def test_a_folder_that_is_a_link_stops_everything(tmp_path, folder):
    cache = Cache(tmp_path / "cache")
    digest, path = cache.put(sample())
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / path.name).write_bytes(path.read_bytes())
    os.utime(precious / path.name, (1000, 1000))
    if folder == "artifacts":
        path.unlink()
        path.parent.rmdir()
    (cache.root / folder).symlink_to(precious)
    with pytest.raises(CacheError) as caught:
        cache.prune(0)
    assert caught.value.code == "cache.unsafe"
    assert (precious / path.name).exists()
    if folder == "artifacts":
        with pytest.raises(CacheError):
            cache.remove([digest])
        with pytest.raises(CacheError):
            cache.put(sample())


def test_the_cache_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "large disk")
    cache = Cache(tmp_path / "cache")
    digest, _ = cache.put(sample())
    assert cache.get(digest) is not None
    assert len(cache.remove([digest])) == 1


def test_prune_takes_the_old_and_keeps_the_young_and_the_wanted(tmp_path):
    cache = Cache(tmp_path)
    old, old_path = cache.put(sample(1))
    wanted, wanted_path = cache.put(sample(2))
    young, _ = cache.put(sample(3))
    week_ago = time.time() - 7 * 86400
    for path in (old_path, wanted_path):
        os.utime(path, (week_ago, week_ago))
    listed = cache.prune(86400, [wanted], dry_run=True)
    assert {entry.digest for entry in cache.entries()} == {old, wanted, young}
    assert cache.prune(86400, [wanted]) == listed
    assert [removed.digest for removed in listed] == [old]
    assert {entry.digest for entry in cache.entries()} == {wanted, young}


def test_prune_takes_what_nothing_needs(tmp_path):
    cache = Cache(tmp_path / "cache", warn=lambda message: None)
    kept, _ = cache.put(sample(1))
    gone, path = cache.put(sample(2))
    for digest in (kept, gone):
        cache.remember({"for": digest}, digest)
        cache.set_latest(digest, digest)
    cache.partial_results({"n": 1}).save(sample())
    path.write_bytes(b"junk")
    assert cache.get(gone) is None
    leftover = path.parent / ".gaze-0123.tmp"
    young = path.parent / ".gaze-4567.tmp"
    for temporary in (leftover, young):
        temporary.write_text("its writer was killed")
    os.utime(leftover, (1000, 1000))
    assert sorted(removed.kind for removed in cache.prune(3600)) == ["artifacts", "latest", "requests"]
    assert sorted(removed.kind for removed in cache.prune(0, [kept])) == ["damaged", "progress"]
    assert cache.recall({"for": kept}) == cache.latest_for(kept) == kept
    assert young.exists()
    assert len(everything_in(cache.root)) == 4


def test_a_note_on_a_model_stays_as_long_as_an_artifact_names_it(tmp_path):
    cache = Cache(tmp_path)
    named, unnamed, young = (sample(number).digest for number in (10, 11, 12))
    cache.put(Artifact("headset", {"model": {"digest": named}}, {}))
    for digest in (named, unnamed, young):
        cache.set_source(digest, "/somewhere")
    week_ago = time.time() - 7 * 86400
    for digest in (named, unnamed):
        os.utime(tmp_path / "models" / f"{digest[7:]}.json", (week_ago, week_ago))
    assert [removed.path.stem for removed in cache.prune(86400)] == [unnamed[7:]]
    assert cache.source_of(named) == cache.source_of(young) == "/somewhere"
