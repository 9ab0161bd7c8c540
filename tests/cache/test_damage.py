"""Damage is noticed by the reader and by `verify`, set aside, and made good by putting the thing again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Artifact, Cache
from gazecli.cache.artifact import to_bytes
from gazecli.cache.files import write_named
from tests.cache.samples import everything_in, flip, listening, sample

_DAMAGES = {
    "a flipped bit at the end": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a flipped bit in the header": lambda data: data.replace(b"tiny", b"tiNy"),
    "truncation": lambda data: data[:-5],
    "emptying": lambda data: b"",
    "replacement by another artifact": lambda data: to_bytes(sample(5)),
    "replacement by text": lambda data: b"hello",
}


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_a_damaged_artifact_is_named_set_aside_and_made_again(tmp_path, damage):
    cache, heard = listening(tmp_path / "cache")
    digest, path = cache.put(sample())
    good = path.read_bytes()
    path.write_bytes(damage(good))
    (found,) = cache.verify()
    assert (found.path, found.digest) == (path, digest)
    assert path.exists()
    assert cache.get(digest) is None
    (warning,) = heard
    assert path.name in warning
    assert not path.exists()
    (aside,) = (cache.root / "damaged").iterdir()
    assert aside.read_bytes() == damage(good)
    assert cache.put(sample()) == (digest, path)
    assert cache.get(digest) is not None
    assert cache.verify() == []


def test_putting_over_a_damaged_artifact_keeps_the_damaged_one_aside(tmp_path):
    cache, heard = listening(tmp_path)
    digest, path = cache.put(sample())
    path.write_bytes(b"junk")
    cache.put(sample())
    assert cache.get(digest) is not None
    assert len(heard) == len(list((tmp_path / "damaged").iterdir())) == 1


def test_every_flipped_bit_in_the_cache_is_noticed_by_the_reader_and_by_verify(tmp_path):
    cache, heard = listening(tmp_path)
    small = Artifact("h", {"n": "é"}, {"m": np.array([1.5], np.float32)})
    digest, path = cache.put(small)
    data = path.read_bytes()
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        assert [damage.path for damage in cache.verify()] == [path], position
        assert cache.get(digest) is None, position
    assert len(heard) == len(data) * 8


def test_verify_names_what_does_not_belong_there(tmp_path):
    cache, _ = listening(tmp_path / "cache")
    digest, path = cache.put(sample())
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (path.parent / "notes.txt").write_text("mine")
    (path.parent / "link.safetensors").symlink_to(outside)
    (path.parent / path.name.replace("headset", "report")).write_bytes(path.read_bytes())
    (path.parent / ".gaze-0123.tmp").write_text("on its way")
    assert {damage.path.name: damage.reason for damage in cache.verify()} == {
        "notes.txt": "it is not named like an artifact",
        "link.safetensors": "it is not named like an artifact",
        path.name.replace("headset", "report"): "it is named like another kind of artifact",
    }
    assert cache.get(digest) is not None


def test_a_link_in_place_of_an_artifact_is_not_followed(tmp_path):
    cache, _ = listening(tmp_path / "cache")
    digest, path = cache.put(sample())
    elsewhere = tmp_path / "elsewhere.safetensors"
    os.rename(path, elsewhere)
    path.symlink_to(elsewhere)
    assert cache.get(digest) is None
    assert cache.entries() == []
    assert [damage.path for damage in cache.verify()] == [path]
    assert cache.put(sample())[1] == path
    assert not path.is_symlink()
    assert elsewhere.exists()


def test_damage_that_cannot_be_moved_is_ignored_with_a_warning(tmp_path):
    cache, heard = listening(tmp_path)
    digest, path = cache.put(sample())
    path.write_bytes(b"junk")
    (tmp_path / "damaged").write_text("a file where the folder should be")
    assert cache.get(digest) is None
    assert "ignored" in heard[0]
    assert path.exists()


def test_a_default_cache_logs_its_warnings_in_one_harmless_line(tmp_path, caplog):
    cache = Cache(tmp_path / "evil\x1b[2J\nname")
    digest, path = cache.put(sample())
    path.write_bytes(b"")
    assert cache.get(digest) is None
    [record] = caplog.records
    assert (record.name, record.levelname) == ("gazecli.cache.store", "WARNING")
    assert record.getMessage().startswith("a damaged artifact")
    assert not set(record.getMessage()) & {"\n", "\x1b"}


def _one_of_everything(root: Path) -> tuple[Cache, list[str]]:
    """A cache with two files of each sort that is kept."""
    cache, heard = listening(root)
    for number in range(2):
        digest, _ = cache.put(sample(number))
        cache.remember({"n": f"ü {number}"}, digest)
        cache.set_latest(f"漫画 {number}", digest)
        cache.set_source(sample(number + 10).digest, f"/models/Häuschen {number}")
        cache.partial_results({"n": number}).save(sample(number))
        looked_at = root.parent / f"folder {number}" / "ü.bin"
        looked_at.parent.mkdir()
        looked_at.write_bytes(b"x")
        remember_digests(cache, looked_at)
    assert cache.verify() == []
    return cache, heard


def remember_digests(cache: Cache, file: Path) -> None:
    """A note as `file_digests` makes it once a file has settled."""
    name = hashlib.sha256(os.fsencode(file.parent)).hexdigest()
    (cache.root / "digests").mkdir(exist_ok=True)
    write_named(cache.root / "digests" / f"{name}.json", {"files": {file.name: ["1:2:3", "ab" * 32]}})


KEPT = ["artifacts", "progress", "requests", "latest", "models", "digests"]


@pytest.mark.parametrize("folder", KEPT)
def test_verify_notices_truncated_emptied_and_exchanged_files_of_every_sort(tmp_path, folder):
    cache, _ = _one_of_everything(tmp_path / "cache")
    path, other = sorted((cache.root / folder).iterdir())
    whole = path.read_bytes()
    for damage in (b"", whole[:1], whole[:-1], whole + b"\n", b"{}", b"[]", other.read_bytes()):
        path.write_bytes(damage)
        assert [found.path for found in cache.verify()] == [path], damage
    path.unlink()
    path.symlink_to(other)
    assert [found.path for found in cache.verify()] == [path]
    path.unlink()
    path.mkdir()
    assert [found.path for found in cache.verify()] == [path]


def _check_flips(cache: Cache, folder: str, every: int) -> None:
    path = sorted((cache.root / folder).iterdir())[0]
    for position in range(0, len(path.read_bytes()) * 8, every):
        flip(path, position)
        assert [found.path for found in cache.verify()] == [path], position
        flip(path, position)
    assert cache.verify() == []


@pytest.mark.parametrize("folder", KEPT)
def test_verify_notices_flipped_bits_in_files_of_every_sort(tmp_path, folder):
    _check_flips(_one_of_everything(tmp_path / "cache")[0], folder, every=37)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", KEPT)
def test_verify_notices_every_flipped_bit_in_files_of_every_sort(tmp_path, folder):
    _check_flips(_one_of_everything(tmp_path / "cache")[0], folder, every=1)


@pytest.mark.parametrize("folder", ["requests", "latest", "models", "digests"])
def test_damaged_notes_go_with_prune_and_nothing_else_young_does(tmp_path, folder):
    cache, _ = _one_of_everything(tmp_path / "cache")
    before = everything_in(cache.root)
    path = sorted((cache.root / folder).iterdir())[0]
    path.write_bytes(path.read_bytes()[:-2])
    assert [removed.path for removed in cache.prune(3600)] == [path]
    assert set(before) - set(everything_in(cache.root)) == {path}


def test_what_is_remembered_of_a_model_is_nothing_once_it_is_damaged(tmp_path):
    cache, _ = listening(tmp_path)
    model, other = sample(10).digest, sample(11).digest
    assert cache.source_of(model) is None
    cache.set_source(model, "/somewhere/ü")
    cache.set_source(other, "/elsewhere")
    assert cache.source_of(model) == "/somewhere/ü"
    path, stolen = (tmp_path / "models" / f"{digest[7:]}.json" for digest in (model, other))
    whole = path.read_bytes()
    for position in range(len(whole) * 8):
        flip(path, position)
        assert cache.source_of(model) is None
        flip(path, position)
    path.write_bytes(stolen.read_bytes())
    assert cache.source_of(model) is None
    assert cache.source_of("../../outside") is None
