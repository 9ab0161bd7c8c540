"""What several processes are compared on: comics of every kind, and the head set that one process finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from tests.distributed.launches import ROOT

STRIPS = 5  # the second is torn, the third has no captions
PANELS, HEIGHT = 3, 56  # less than the comics have: less work, and the model in the box was taught such too


@pytest.fixture(scope="package")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "comics"
    comics = sorted((ROOT / "examples" / "comics").iterdir())[:STRIPS]
    for comic in comics:
        (folder / comic.name).mkdir(parents=True)
        for panel in range(1, PANELS + 1):
            shutil.copy(comic / f"p{panel}.png", folder / comic.name)
        captions = comic.joinpath("captions.txt").read_text("utf-8").splitlines()[:PANELS]
        (folder / comic.name / "captions.txt").write_text("\n".join(captions), "utf-8")
    torn = folder / comics[1].name / "p2.png"
    torn.write_bytes(torn.read_bytes()[:-200])
    (folder / comics[2].name / "captions.txt").unlink()
    return folder


@pytest.fixture(scope="package")
def alone(vlm_of: Callable[[str], VLM], drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """What one process finds."""
    cache = Cache(tmp_path_factory.mktemp("cache of one"))
    return gaze.discover(vlm_of("tiny"), drawn, panels=PANELS, height=HEIGHT, batch_size=1, cache=cache)
