"""A head set in a cache with an evaluation that supports it, and a Hub on which somebody may write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_headset
from gazecli.models.vlm import VLM
from gazecli.sharing.push import Package, package
from tests.conftest import write_comics
from tests.fixtures.hub_server import Hub, Repository
from tests.sharing.evidence import evaluation, keep_evaluation

TOKEN = "hf_" + "a" * 34
NAME = "somebody/gaze-heads"


@pytest.fixture(scope="session")
def found(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """A head set of a random model."""
    place = tmp_path_factory.mktemp("found")
    comics = write_comics(place / "comics", strips=2, panels=3)
    return discover(vlm_of("qwen2_vl"), comics, panels=3, height=48, cache=Cache(place / "cache"))


@pytest.fixture
def kept(found: HeadSet, own_cache: Path, vlm_of: Callable[[str], VLM]) -> HeadSet:
    """The same in this test's cache, not evaluated."""
    cache = Cache(own_cache)
    cache.put(found.to_artifact())
    note_headset(cache, found, vlm_of("qwen2_vl").source)
    return found


@pytest.fixture
def proven(kept: HeadSet, own_cache: Path) -> HeadSet:
    """The same with an evaluation that supports it."""
    keep_evaluation(Cache(own_cache), kept, evaluation())
    return kept


@pytest.fixture(scope="session")
def packed(found: HeadSet, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The files of its repository, with an evaluation that supports it; drawn once."""
    cache = Cache(tmp_path_factory.mktemp("packed"))
    keep_evaluation(cache, found, evaluation())
    return package(found, NAME, cache=cache)


@dataclass(frozen=True)
class Place:
    """A Hub that this process uses."""

    hub: Hub
    monkeypatch: pytest.MonkeyPatch

    def log_out(self) -> None:
        """Nobody is logged in any more."""
        self.monkeypatch.delenv("HF_TOKEN")

    def repository(self, name: str = NAME) -> Repository:
        """A repository of models by its name."""
        return self.hub.repositories["models", name]

    def change(self, path: str, data: bytes | None, name: str = NAME) -> str:
        """Commit another content of a file, or none, and return the commit."""
        repository = self.repository(name)
        files = {each: content for each, content in repository.files.items() if each != path}
        repository.keep(files if data is None else {**files, path: data})
        return repository.commit


@pytest.fixture
def place(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """The Hub of this process, in which somebody is logged in."""
    hub.tokens[TOKEN] = {"somebody"}
    hub.use_here(monkeypatch, tmp_path / "hf", TOKEN)
    return Place(hub, monkeypatch)
