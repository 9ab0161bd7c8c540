"""How many strips of an evaluation are those in which the heads were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.evaluation.evaluate import Plan, execute
from gazecli.evaluation.examples import Examples, examples_of, shared_with_discovery
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.heads.rankings import listed_heads
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.reports.evaluation import evaluation_part
from gazecli.reports.tables import discovery_words
from gazecli.steering.settings import SteerSettings
from tests.evaluation.comics import captioned_comics


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captioned_comics(tmp_path_factory.mktemp("comics"), 6)


@pytest.fixture(scope="module")
def found(vlm_of: Callable[[str], VLM], folder: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """Heads found on three of the six strips."""
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return discover(vlm_of("qwen2_vl"), folder, panels=3, samples=3, seed=7, cache=cache)


def opened(folder: Path, samples: int | None = None, seed: int = 42) -> Examples:
    return examples_of(open_comics(folder, panels=3, samples=samples, seed=seed))


def names(examples: Examples) -> set[str]:
    return {example.name for example in examples.usable}


def shared(examples: Examples, headset: HeadSet, numbers: Sequence[int] | None = None) -> int:
    return shared_with_discovery(examples, numbers or range(len(examples.usable)), headset)


@pytest.mark.parametrize("seed", [7, 8, 9, 10])
def test_strips_drawn_otherwise_from_the_folder_of_discovery_are_counted(
    found: HeadSet, folder: Path, seed: int
) -> None:
    of_discovery = names(opened(folder, 3, seed=7))
    for samples in (1, 3, 5, None):
        examples = opened(folder, samples, seed)
        assert shared(examples, found) == len(names(examples) & of_discovery)
        for number, example in enumerate(examples.usable):
            assert shared(examples, found, [number]) == (example.name in of_discovery)


def test_strips_of_other_comics_and_heads_of_no_comics_share_none(
    found: HeadSet, folder: Path, tmp_path: Path
) -> None:
    other = captioned_comics(tmp_path / "comics", 4, seed=1)
    assert shared(opened(other), found) == 0
    assert shared(opened(folder), listed_heads([(0, 0)], found.model)) == 0


def test_an_evaluation_says_how_many_of_its_strips_are_those_of_discovery(
    vlm_of: Callable[[str], VLM], found: HeadSet, folder: Path, tmp_path: Path
) -> None:
    vlm, judge, examples = vlm_of("qwen2_vl"), LexicalJudge(), opened(folder)
    plan = Plan("static", SteerSettings(max_new_tokens=1), 1, "raw", controls=1)
    ran = execute(vlm, found, examples, plan, judge, Cache(tmp_path))
    part = evaluation_part(vlm, ran, found.digest, judge)
    assert (part.on_discovery_strips, part.discovery_strips) == (True, 3)
    assert discovery_words(part).startswith("3 of these 6 are strips on which the heads were found")
