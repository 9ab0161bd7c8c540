"""What is put into the cache is found again, or reported absent."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Artifact, Cache, cache_root
from gazecli.cache.artifact import to_bytes
from gazecli.errors import HeadSetError, UsageError
from tests.cache.samples import everything_in, flip, listening, run, sample


def test_what_is_put_is_got(tmp_path):
    cache = Cache(tmp_path / "cache")
    digest, path = cache.put(sample())
    assert path.parent == tmp_path / "cache" / "artifacts"
    assert cache.path_of(digest) == path
    back = cache.get(digest)
    assert back is not None
    assert back.header == sample().header
    np.testing.assert_array_equal(back.tensors["matrices"], sample().tensors["matrices"])


def test_a_cache_that_does_not_exist_is_empty_and_is_not_made_by_looking(tmp_path):
    cache, heard = listening(tmp_path / "none" / "deeper")
    assert cache.entries() == []
    assert cache.get(sample().digest) is None
    assert cache.path_of(sample().digest) is None
    assert cache.recall({"a": 1}) is None
    assert cache.latest_for("used") is None
    assert cache.partial_results({"a": 1}).load() is None
    assert cache.verify() == []
    assert cache.prune(0) == []
    assert heard == []
    assert not (tmp_path / "none").exists()


def test_a_cache_that_vanishes_is_made_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    cache.put(sample())
    shutil.rmtree(cache.root)
    assert cache.get(sample().digest) is None
    digest, _ = cache.put(sample())
    assert cache.get(digest) is not None


def test_spaces_and_letters_of_any_alphabet_are_fine_in_its_path(tmp_path):
    cache, heard = listening(tmp_path / "mein Häuschen – 漫画 👀" / "c")
    digest, _ = cache.put(sample())
    cache.remember({"model": "漫画"}, digest)
    assert cache.get(digest) is not None
    assert cache.recall({"model": "漫画"}) == digest
    assert [entry.digest for entry in cache.entries()] == [digest]
    assert cache.verify() == heard == []


def test_the_environment_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("GAZE_CACHE_DIR", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here" == Cache().root
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAZE_CACHE_DIR", "~/there")
    assert cache_root() == Path("~/there").expanduser()
    monkeypatch.setenv("GAZE_CACHE_DIR", "")
    import platformdirs

    assert cache_root() == Path(platformdirs.user_cache_dir("gaze"))
    monkeypatch.chdir(tmp_path)
    assert Cache("near").root == tmp_path / "near"


def test_entries_tell_of_each_artifact_newest_first(tmp_path):
    cache = Cache(tmp_path)
    first, path = cache.put(sample(1))
    second, _ = cache.put(sample(2, kind="evaluation"))
    os.utime(path, (1000, 1000))
    found = cache.entries()
    assert [(entry.digest, entry.kind) for entry in found] == [(second, "evaluation"), (first, "headset")]
    assert found[1].summary["number"] == 1
    assert (found[1].path, found[1].bytes, found[1].modified) == (path, path.stat().st_size, 1000)


def test_a_listing_reads_neither_tensors_nor_numpy(tmp_path):
    Cache(tmp_path).put(sample())
    script = """if True:
        import sys
        from gazecli.cache import Cache
        heavy = {"numpy", "torch", "safetensors", "transformers"}
        print(len(Cache(sys.argv[1]).entries()), heavy & set(sys.modules))
    """
    assert run(script, tmp_path).strip() == "1 set()"


def test_a_digest_is_found_by_any_unique_beginning(tmp_path):
    cache = Cache(tmp_path)
    digest, _ = cache.put(sample())
    digits = digest.removeprefix("sha256:")
    for length in range(4, 65):
        assert cache.resolve(digits[:length]) == cache.resolve("sha256:" + digits[:length]) == digest
    assert cache.resolve(digits[:8].upper(), kind="headset") == digest
    with pytest.raises(HeadSetError):
        cache.resolve(digits[:8], kind="evaluation")


def test_an_ambiguous_beginning_names_the_candidates(tmp_path):
    cache = Cache(tmp_path)
    digest, path = cache.put(sample())
    twin = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    shutil.copy(path, path.with_name(f"headset-{twin.removeprefix('sha256:')}.safetensors"))
    with pytest.raises(HeadSetError) as caught:
        cache.resolve(digest[:20])
    assert digest in caught.value.hint
    assert twin in caught.value.hint
    assert caught.value.subject == digest[:20]
    assert cache.resolve(digest) == digest


@pytest.mark.parametrize(
    "prefix", ["", "abc", "sha256:", "sha256:abc", "xyz12", "../../etc", "md5:abcdef", "a" * 65, "٣٣٣٣"]
)
def test_what_is_no_digest_is_refused(tmp_path, prefix):
    with pytest.raises(HeadSetError, match="not a digest"):
        Cache(tmp_path).resolve(prefix)


def test_an_unknown_digest_is_refused_with_a_hint(tmp_path):
    with pytest.raises(HeadSetError) as caught:
        Cache(tmp_path).resolve("abcd")
    assert caught.value.code == "headset.unknown"
    assert "gaze cache ls" in caught.value.hint


def test_a_request_recalls_its_result_whatever_the_order_of_its_keys(tmp_path):
    cache = Cache(tmp_path)
    digest, _ = cache.put(sample())
    cache.remember({"model": "tiny", "samples": 40, "heads": (1, 2)}, digest)
    assert cache.recall({"heads": [1, 2], "samples": 40, "model": "tiny"}) == digest
    assert cache.recall({"model": "tiny", "samples": 41, "heads": [1, 2]}) is None
    cache.remember({"model": "tiny", "samples": 40, "heads": [1, 2]}, other := cache.put(sample(1))[0])
    assert cache.recall({"model": "tiny", "samples": 40, "heads": [1, 2]}) == other


def test_a_request_whose_result_is_gone_is_not_recalled(tmp_path):
    cache = Cache(tmp_path)
    digest, path = cache.put(sample())
    cache.remember({"a": 1}, digest)
    path.unlink()
    assert cache.recall({"a": 1}) is None


def test_the_latest_of_a_name_is_the_last_one_set(tmp_path):
    cache = Cache(tmp_path)
    digests = [cache.put(sample(number))[0] for number in range(2)]
    for digest in digests:
        cache.set_latest("Qwen/Qwen2-VL-7B-Instruct", digest)
    cache.set_latest("../../../evil", digests[0])
    assert cache.latest_for("Qwen/Qwen2-VL-7B-Instruct") == digests[1]
    assert cache.latest_for("../../../evil") == digests[0]
    assert cache.latest_for("other") is None
    assert len(everything_in(tmp_path)) == 4


@pytest.mark.parametrize("folder", ["requests", "latest"])
def test_a_damaged_note_counts_as_absent(tmp_path, folder):
    cache = Cache(tmp_path)
    first, second = (cache.put(sample(number))[0] for number in range(2))

    def ask(number: int) -> str | None:
        return cache.recall({"n": number}) if folder == "requests" else cache.latest_for(str(number))

    def note(number: int, digest: str) -> Path:
        before = set(everything_in(tmp_path))
        _ = (
            cache.remember({"n": number}, digest)
            if folder == "requests"
            else cache.set_latest(str(number), digest)
        )
        (path,) = set(everything_in(tmp_path)) - before
        return path

    path, other = note(1, first), note(2, second)
    whole = path.read_bytes()
    for position in range(len(whole) * 8):
        flip(path, position)
        assert ask(1) is None
        flip(path, position)
    for damage in (b"", b"{}", b"[]", b"null", b"[" * 100_000, whole[:-3], other.read_bytes()):
        path.write_bytes(damage)
        assert ask(1) is None
        assert [found.path for found in cache.verify()] == [path]
    path.write_bytes(whole)
    assert ask(1) == first
    assert cache.verify() == []


def test_an_artifact_is_exported_and_imported_unchanged(tmp_path):
    here, there = Cache(tmp_path / "here"), Cache(tmp_path / "there")
    digest, path = here.put(sample())
    into_folder = here.export(digest, tmp_path)
    named = here.export(digest, tmp_path / "my heads.safetensors")
    assert into_folder == tmp_path / path.name
    link = tmp_path / "link"
    link.symlink_to(named)
    assert there.import_file(link) == there.import_file(into_folder) == digest
    assert there.get(digest) is not None


def test_an_export_overwrites_only_on_request(tmp_path):
    cache = Cache(tmp_path / "cache")
    digest, _ = cache.put(sample())
    target = tmp_path / "notes.txt"
    target.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        cache.export(digest, target)
    assert target.read_text() == "mine"
    cache.export(digest, target, overwrite=True)
    assert cache.export(digest, target).read_bytes() == to_bytes(sample())
    with pytest.raises(UsageError, match="no such folder"):
        cache.export(digest, tmp_path / "none" / "a.safetensors")
    with pytest.raises(HeadSetError, match="nothing in the cache"):
        cache.export(sample(9).digest, tmp_path)


def test_an_import_that_is_refused_leaves_nothing_behind(tmp_path):
    cache = Cache(tmp_path / "cache")
    for data in (b"", b"junk" * 100, to_bytes(sample())[:-1]):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(HeadSetError) as caught:
            cache.import_file(tmp_path / "file")
        assert caught.value.exit_code == 2
        assert caught.value.subject == str(tmp_path / "file")
    with pytest.raises(HeadSetError, match="no such file"):
        cache.import_file(tmp_path / "none")

    def refuse(artifact: Artifact) -> None:
        raise HeadSetError("of another model", subject=artifact.header["model"])

    (tmp_path / "file").write_bytes(to_bytes(sample()))
    with pytest.raises(HeadSetError, match="of another model: tiny"):
        cache.import_file(tmp_path / "file", refuse)
    assert not (tmp_path / "cache").exists()
