"""Two processes under torchrun come to what one comes to, and one of them speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.evaluation.evaluate import Plan, evaluate
from gazecli.evaluation.trials import examples_of
from gazecli.heads.headset import HeadSet
from gazecli.heads.shelf import find_headset
from gazecli.models.vlm import VLM
from gazecli.pictures.comics import open_comics
from gazecli.reports.evaluations import evaluation_part
from gazecli.steering.steer import SteerSettings
from tests.processes.launching import ROOT, finish, start

COMICS = ROOT / "examples" / "comics"
STRIPS = 4


@pytest.fixture(scope="module")
def vlm() -> VLM:
    return gaze.load("tiny", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache of two")


@pytest.fixture(scope="module")
def alone(vlm: VLM, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    cache = Cache(tmp_path_factory.mktemp("cache of one"))
    return gaze.discover(vlm, COMICS, samples=STRIPS, batch_size=1, cache=cache)


@pytest.fixture(scope="module")
def shared(folder: Path) -> dict[str, Any]:
    asked = ("discover", "tiny", COMICS, "--samples", STRIPS, "--batch-size", 1)
    ran = finish(start(2, folder, *asked, "--device", "cpu", "--dtype", "float32", "--json"))
    assert not ran.said("error")
    return ran.document


def test_two_processes_find_the_head_set_of_one(shared: dict[str, Any], alone: HeadSet, folder: Path) -> None:
    assert shared["digest"] == alone.digest
    assert shared["comics"]["strips"] == STRIPS
    kept = find_headset(alone.digest, Cache(folder))
    assert kept.matrices.tobytes() == alone.matrices.tobytes()
    assert kept.null.tobytes() == alone.null.tobytes()
    assert kept.halves.tobytes() == alone.halves.tobytes()
    assert not list((folder / "progress").iterdir())


def test_two_processes_evaluate_as_one(
    shared: dict[str, Any], alone: HeadSet, vlm: VLM, folder: Path, tmp_path: Path
) -> None:
    asked = ("report", shared["digest"], "--evaluate", COMICS, "--samples", 3, "--top", 12)
    ran = finish(start(2, folder, *asked, "--max-new-tokens", 8, "--json"))
    comics = open_comics(COMICS, panels=6, samples=3, seed=42)
    plan = Plan("static", SteerSettings(strength="10", max_new_tokens=8), 12, "raw")
    truth = evaluate(vlm, alone, examples_of(comics), plan, Cache(tmp_path))
    expected = evaluation_part(vlm, truth, alone.digest).model_dump(mode="json")
    found = ran.document["evaluation"]
    for name in set(expected) - {"timing"}:
        assert found[name] == expected[name], name
