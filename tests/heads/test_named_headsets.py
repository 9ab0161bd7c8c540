"""What a HEADSET may be called, what is said where none is called so, and the head set in the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gazecli.cache.artifact import read
from gazecli.cache.store import Cache
from gazecli.errors import GazeError, HeadSetError
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import PACKAGED, find_headset, last_headset
from gazecli.models.checkpoint import find_checkpoint


@pytest.fixture
def packaged() -> HeadSet:
    artifact = read(PACKAGED)
    return HeadSet.from_artifact(artifact, artifact.digest)


def test_the_head_set_in_the_package_is_of_the_model_in_the_package(packaged: HeadSet) -> None:
    assert packaged.model["digest"] == find_checkpoint("tiny").digest()
    assert packaged.kind == "pictures"
    # The heads that every other discovery of tiny finds at the top.
    assert {(3, 4), (3, 0), (3, 5)} <= set(packaged.top(5))


def test_with_nothing_in_the_cache_the_head_set_in_the_package_is_used_and_said(
    tmp_path: Path, packaged: HeadSet
) -> None:
    notes: list[str] = []
    cache = Cache(tmp_path)
    assert find_headset("tiny", cache, notes.append).digest == packaged.digest
    assert last_headset(cache, notes.append).digest == packaged.digest
    assert len(notes) == 2
    assert "come with gaze" in notes[0]
    assert cache.path_of(packaged.digest) is not None


@pytest.mark.parametrize(
    "name", ["qwen2-vl-7b", "Qwen/Qwen2-VL-7B-Instruct", "Qwen/Qwen2-VL-7B-Instruct@main"]
)
def test_a_model_without_a_head_set_is_told_how_to_get_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(HeadSetError) as caught:
        find_headset(name, Cache(tmp_path))
    assert caught.value.code == "headset.none"
    assert caught.value.hint is not None
    assert f"gaze discover {name} COMICS" in caught.value.hint
    assert f"gaze pull {name}" in caught.value.hint


def test_a_head_set_of_a_model_that_is_not_on_this_machine_is_found_by_the_models_name(
    tmp_path: Path, packaged: HeadSet
) -> None:
    model = {**packaged.model, "name": "qwen2-vl-7b", "id": "Qwen/Qwen2-VL-7B-Instruct", "revision": None}
    cache = Cache(tmp_path)
    digest, _ = cache.put(replace(packaged, header={**packaged.header, "model": model}).to_artifact())
    assert find_headset("qwen2-vl-7b", cache).digest == digest
    assert find_headset("Qwen/Qwen2-VL-7B-Instruct", cache).digest == digest


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heads.safetensors", "no such file"),
        ("./folder/heads.json", "no such file"),
        ("qwen2-vl-7c", "there is no model and no head set with this name"),
        ("abc", "there is no model and no head set with this name"),
        ("ffff", "nothing in the cache has this digest"),
        ("sha256:zz", "not a digest"),
        (".", "not a checkpoint folder"),
    ],
)
def test_a_name_that_leads_to_nothing_is_told_what_it_looks_like(
    tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(GazeError, match=words):
        find_headset(name, Cache(tmp_path))
