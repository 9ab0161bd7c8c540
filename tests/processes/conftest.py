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
from tests.processes.launching import ROOT

STRIPS = 5  # the second is torn, the third has no captions


@pytest.fixture(scope="package")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "comics"
    copied = [
        shutil.copytree(comic, folder / comic.name)
        for comic in sorted((ROOT / "examples" / "comics").iterdir())[:STRIPS]
    ]
    torn = copied[1] / "p4.png"
    torn.write_bytes(torn.read_bytes()[:-200])
    (copied[2] / "captions.txt").unlink()
    return folder


@pytest.fixture(scope="package")
def alone(vlm_of: Callable[[str], VLM], drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """What one process finds."""
    cache = Cache(tmp_path_factory.mktemp("cache of one"))
    return gaze.discover(vlm_of("tiny"), drawn, batch_size=1, cache=cache)
