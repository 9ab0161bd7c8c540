"""What many tests stand on: random checkpoints built once, a cache of their own, noise pictures."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests.fixtures.checkpoints import random_checkpoint
from tests.fixtures.command_server import start
from tests.fixtures.hub_server import Hub, hub_server

QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-families-table",
        action="store_true",
        help="write the table of families in docs/families.md from what this run finds",
    )
    parser.addoption(
        "--write-checkpoints-page",
        action="store_true",
        help="write what docs/which-checkpoints-work.md quotes of gaze doctor, from what this run finds",
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty cache and no settings of the person who runs it."""
    folder = tmp_path / "gaze-cache"
    monkeypatch.setenv("GAZE_CACHE_DIR", str(folder))
    for name in ("GAZE_MODEL", "GAZE_DEVICE", "GAZE_DTYPE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A random checkpoint folder of a family, built once a session."""
    built: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in built:
            built[family] = random_checkpoint(family, tmp_path_factory.mktemp("checkpoints") / family)
        return built[family]

    return folder_of


@pytest.fixture(scope="session")
def vlm_of(checkpoint: Callable[[str], Path]) -> Callable[[str], VLM]:
    """A loaded random model of a family, or `tiny`; loaded once a session."""
    loaded: dict[str, VLM] = {}

    def model(family: str) -> VLM:
        if family not in loaded:
            name = "tiny" if family == "tiny" else str(checkpoint(family))
            loaded[family] = load(name, device="cpu", dtype="float32")
        return loaded[family]

    return model


@pytest.fixture(scope="session")
def command_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that runs `gaze` in processes of their own, imports already done."""
    address = str(tmp_path_factory.mktemp("calls") / "socket")
    with start(address, Path(__file__).parents[1]) as server:
        yield address
        assert server.stdin is not None
        server.stdin.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub on the loopback address, empty; `environment` and `use_here` make huggingface_hub use it."""
    with hub_server() as server:
        yield server


def noise_picture(width: int, height: int, panels: int | str, seed: int = 0) -> Picture:
    """A picture of random pixels with equal panels."""
    rng = np.random.default_rng([seed, width, height])
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture.from_image(Image.fromarray(pixels), panels=panels)


def write_comics(folder: Path, strips: int, panels: int, seed: int = 0, size: int = 48) -> Path:
    """A comics folder in the `panels` layout, of random pixels."""
    rng = np.random.default_rng([seed, strips, panels])
    for number in range(strips):
        comic = folder / f"comic-{number:03d}"
        comic.mkdir(parents=True)
        for panel in range(1, panels + 1):
            pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(comic / f"p{panel}.png")
    return folder
