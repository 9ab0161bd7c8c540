"""Two processes under torchrun come to what one comes to, and one of them speaks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.shelf import find_headset
from gazecli.models.vlm import VLM
from tests.cli.in_process import gaze_here
from tests.processes.launching import ROOT, finish, start_calls

STRIPS = 5  # one of them torn


@pytest.fixture(scope="module")
def vlm() -> VLM:
    return gaze.load("tiny", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def comics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "comics"
    drawn = sorted((ROOT / "examples" / "comics").iterdir())[:STRIPS]
    for comic in drawn:
        shutil.copytree(comic, folder / comic.name)
    torn = folder / drawn[1].name / "p4.png"
    torn.write_bytes(torn.read_bytes()[:-200])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache of two")


@pytest.fixture(scope="module")
def alone(vlm: VLM, comics: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    cache = Cache(tmp_path_factory.mktemp("cache of one"))
    return gaze.discover(vlm, comics, batch_size=1, cache=cache)


def evaluation(comics: Path, headset: str) -> list[object]:
    asked = ["report", headset, "--evaluate", comics, "--samples", 2, "--top", 12]
    return [*asked, "--max-new-tokens", 6, "--device", "cpu", "--dtype", "float32", "--json"]


@pytest.fixture(scope="module")
def shared(folder: Path, comics: Path, alone: HeadSet) -> list[dict[str, Any]]:
    """What two processes say of a discovery, the same again, and an evaluation of its head set."""
    asked = ["discover", "tiny", comics, "--batch-size", 1, "--device", "cpu", "--dtype", "float32", "--json"]
    ran = finish(start_calls(2, folder, asked, asked, evaluation(comics, alone.digest)))
    assert not ran.said("error")
    return ran.documents


def test_two_processes_find_the_head_set_of_one(
    shared: list[dict[str, Any]], alone: HeadSet, folder: Path
) -> None:
    first, again, _ = shared
    assert first["digest"] == alone.digest
    assert first["comics"]["strips"] == STRIPS - 1
    assert not first["cached"]
    assert again["cached"]
    assert again["digest"] == alone.digest
    kept = find_headset(alone.digest, Cache(folder))
    assert kept.header == alone.header
    assert [skip["strip"] for skip in kept.header["comics"]["skipped"]] == [1]
    assert kept.matrices.tobytes() == alone.matrices.tobytes()
    assert kept.null.tobytes() == alone.null.tobytes()
    assert kept.halves.tobytes() == alone.halves.tobytes()
    assert not list((folder / "progress").iterdir())


def test_two_processes_evaluate_as_one(
    shared: list[dict[str, Any]],
    alone: HeadSet,
    comics: Path,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GAZE_CACHE_DIR", str(folder))
    expected = json.loads(gaze_here(capfd, *evaluation(comics, alone.digest)).out)
    found = shared[2]
    for document in (found, expected):
        del document["evaluation"]["timing"]
    assert found == expected
