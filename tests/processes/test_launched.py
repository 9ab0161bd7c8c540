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
from tests.processes.launching import ROOT, finish, start

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


@pytest.fixture(scope="module")
def shared(folder: Path, comics: Path) -> dict[str, Any]:
    asked = ("discover", "tiny", comics, "--batch-size", 1)
    ran = finish(start(2, folder, *asked, "--device", "cpu", "--dtype", "float32", "--json"))
    assert not ran.said("error")
    return ran.document


def test_two_processes_find_the_head_set_of_one(shared: dict[str, Any], alone: HeadSet, folder: Path) -> None:
    assert shared["digest"] == alone.digest
    assert shared["comics"]["strips"] == STRIPS - 1
    kept = find_headset(alone.digest, Cache(folder))
    assert kept.header == alone.header
    assert [skip["strip"] for skip in kept.header["comics"]["skipped"]] == [1]
    assert kept.matrices.tobytes() == alone.matrices.tobytes()
    assert kept.null.tobytes() == alone.null.tobytes()
    assert kept.halves.tobytes() == alone.halves.tobytes()
    assert not list((folder / "progress").iterdir())


def test_two_processes_evaluate_as_one(
    shared: dict[str, Any], comics: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("report", shared["digest"], "--evaluate", comics, "--samples", 3, "--top", 12)
    asked = (*asked, "--max-new-tokens", 8, "--json")
    found = finish(start(2, folder, *asked)).document
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GAZE_CACHE_DIR", str(folder))
        expected = json.loads(gaze_here(capfd, *asked).out)
    for document in (found, expected):
        del document["evaluation"]["timing"]
    assert found == expected
