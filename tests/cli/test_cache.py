"""`gaze cache …` on a cache of small artifacts."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Artifact, Cache
from gazecli.cli.cache import parse_age
from gazecli.errors import UsageError
from gazecli.heads.headset_store import find_headset, note_used
from tests.cli.conftest import Gaze


def keep(number: int) -> str:
    header = {"model": {"name": f"model-{number}"}, "comics": {"digest": "sha256:0"}}
    return Cache().put(Artifact("note", header, {"values": np.full(4, number, np.float32)}))[0]


def test_an_empty_cache_is_no_error(gaze: Gaze, own_cache: Path) -> None:
    document = gaze("cache", "ls").document("cache")
    assert document["artifacts"] == []
    assert document["path"] == str(own_cache)
    assert not own_cache.exists()


def test_what_is_kept_is_listed_shown_and_found(gaze: Gaze) -> None:
    digests = {keep(1), keep(2)}
    listed = gaze("cache", "ls").document("cache")["artifacts"]
    assert {kept["digest"] for kept in listed} == digests
    first = listed[0]
    shown = gaze("cache", "show", first["digest"][7:15]).document("cache")
    assert shown["artifacts"][0]["digest"] == first["digest"]
    assert shown["header"]["model"]["name"] == first["model"]
    assert gaze("cache", "path", first["digest"]).document("cache")["file"] == first["path"]
    human = gaze("cache", "ls", "--format", "human").out
    assert "model-1" in human
    assert "2 artifacts" in human


def test_an_unknown_digest_is_named(gaze: Gaze) -> None:
    ran = gaze("cache", "show", "abcdef", "--json")
    assert ran.code == 2
    assert ran.error()["code"] == "headset.unknown"


def test_verify_fails_on_a_flipped_bit_and_names_the_file(gaze: Gaze) -> None:
    digest = keep(1)
    assert gaze("cache", "verify").document("cache")["damaged"] == []
    path = Cache().path_of(digest)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    ran = gaze("cache", "verify")
    assert ran.code == 1
    assert ran.document("cache")["damaged"][0]["path"] == str(path)
    assert str(path) in ran.err


def test_nothing_is_removed_unasked(gaze: Gaze) -> None:
    digest = keep(1)
    refused = gaze("cache", "rm", digest)
    assert refused.code == 2
    assert "--yes" in refused.err
    tried = gaze("cache", "rm", digest, "--dry-run").document("cache")
    assert tried["dry_run"]
    assert [gone["digest"] for gone in tried["removed"]] == [digest]
    assert Cache().get(digest) is not None
    assert gaze("cache", "rm", digest, "--yes").document("cache")["removed"][0]["digest"] == digest
    assert Cache().get(digest) is None


def test_prune_takes_the_old_and_leaves_the_young(gaze: Gaze) -> None:
    old, young = keep(1), keep(2)
    path = Cache().path_of(old)
    assert path is not None
    week_ago = time.time() - 8 * 86400
    os.utime(path, (week_ago, week_ago))
    gone = gaze("cache", "prune", "--older-than", "7d", "--yes").document("cache")["removed"]
    assert [file["digest"] for file in gone] == [old]
    assert Cache().get(young) is not None


def test_an_artifact_travels(gaze: Gaze, tmp_path: Path) -> None:
    digest = keep(3)
    file = tmp_path / "travelling"
    assert gaze("cache", "export", digest, file).document("cache")["file"] == str(file)
    again = gaze("cache", "export", digest, file)
    assert again.code == 0
    Cache().remove([digest])
    assert gaze("cache", "import", file).document("cache")["artifacts"][0]["digest"] == digest
    assert Cache().get(digest) is not None


def test_what_is_no_artifact_is_not_imported(gaze: Gaze, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"pickle? never")
    ran = gaze("cache", "import", tmp_path / "x", "--json")
    assert ran.code == 2
    assert ran.error()["subject"] == str(tmp_path / "x")


def test_ages_are_read_in_the_usual_units() -> None:
    assert [parse_age(text) for text in ("90", "5m", "12h", "30d", "8w")] == [
        90,
        300,
        43200,
        2592000,
        4838400,
    ]
    for text in ("", "d", "-1d", "1.5d", "3 years", "1e9"):
        with pytest.raises(UsageError):
            parse_age(text)


def test_the_default_of_a_model_is_starred_and_stays_when_another_head_set_is_used(gaze: Gaze) -> None:
    cache = Cache()
    mine = find_headset("tiny", cache)
    other = replace(mine, header={**mine.header, "suggested": {**mine.header["suggested"], "top": 5}})
    most = mine.resolve_top()
    kept = {top: cache.put(each.to_artifact())[0] for top, each in ((most, mine), (5, other))}
    note_used(cache, replace(other, digest=kept[5]))

    def starred() -> dict[str, dict[str, object]]:
        listed = gaze("cache", "ls").document("cache")["artifacts"]
        return {part["digest"]: part["default"] for part in listed if part["default"] is not None}

    assert starred() == {kept[5]: {"why": "newest", "last": True}}
    made = gaze("cache", "default", kept[most][7:19]).document("cache")["artifacts"][0]
    assert (made["digest"], made["top"], made["accuracy"]) == (kept[most], most, None)
    note_used(cache, replace(other, digest=kept[5]))
    assert starred() == {kept[most]: {"why": "set", "last": False}}
    assert find_headset("tiny", cache).digest == kept[most]
    human = gaze("cache", "ls", "--format", "human").out
    assert f"* {kept[most][7:19]}, of tiny: set by gaze cache default" in human
    assert f"top {most} by raw, not evaluated yet" in " ".join(human.split())
    gaze("cache", "rm", kept[most], "--yes")
    assert starred() == {kept[5]: {"why": "newest", "last": True}}


def test_what_is_no_head_set_cannot_be_a_default(gaze: Gaze) -> None:
    refused = gaze("cache", "default", keep(1), "--json")
    assert refused.code == 2
    assert refused.error()["code"] == "headset.unknown"
