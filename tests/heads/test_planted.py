"""A planted head: weights are changed so that one head must be found, and every selector finds it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads.headset import Head, HeadSet
from gazecli.models.vlm import VLM

COMICS = Path(__file__).parents[2] / "examples" / "comics"
SHARPER = 3.0


@pytest.fixture(scope="module")
def found(vlm_of: Callable[[str], VLM], tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """What discovery finds in the model as it is."""
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return gaze.discover(vlm_of("tiny"), COMICS, samples=4, cache=cache)


@pytest.fixture(scope="module")
def planted(
    vlm_of: Callable[[str], VLM], found: HeadSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Head, HeadSet]]:
    """Where the head is now, and what discovery finds then."""
    vlm = vlm_of("tiny")
    layer = vlm.layers - 1
    raw = found.scores("raw")[layer]
    best, place = int(raw.argmax()), int(raw.argmin())
    module = vlm.attention[layer]
    before = copy.deepcopy(module.state_dict())
    plant(module, vlm.heads, best, place)
    try:
        cache = Cache(tmp_path_factory.mktemp("cache"))
        yield Head(layer, place), gaze.discover(vlm, COMICS, samples=4, cache=cache)
    finally:
        module.load_state_dict(before)


@torch.no_grad()
def plant(module: torch.nn.Module, heads: int, best: int, place: int) -> None:
    """Give `place` the queries of `best`, sharpened, and the keys they look for; all others look nowhere."""
    size = module.q_proj.out_features // heads  # type: ignore[union-attr, operator]
    share = heads * size // module.k_proj.out_features  # type: ignore[union-attr, operator]

    def rows(head: int) -> slice:
        return slice(head * size, (head + 1) * size)

    for name in ("weight", "bias"):
        queries = getattr(module.q_proj, name)
        wanted = queries[rows(best)].clone()
        queries.zero_()
        queries[rows(place)] = SHARPER * wanted
        keys = getattr(module.k_proj, name)
        keys[rows(place // share)] = keys[rows(best // share)].clone()


@pytest.mark.parametrize("score", ["raw", "selectivity", "image", "localization"])
def test_every_selector_finds_the_planted_head(planted: tuple[Head, HeadSet], score: str) -> None:
    head, headset = planted
    assert headset.top(1, score) == [head]
    scores = headset.scores(score).ravel()
    assert np.partition(scores, -2)[-2] < headset.scores(score)[head]


def test_it_was_not_there_before(planted: tuple[Head, HeadSet], found: HeadSet) -> None:
    head, headset = planted
    assert head not in found.top(3, "raw")
    assert headset.scores("raw")[head] > found.scores("raw")[head]


def test_heads_that_look_nowhere_are_uniform(planted: tuple[Head, HeadSet]) -> None:
    head, headset = planted
    flat = [Head(head.layer, other) for other in range(headset.matrices.shape[1]) if other != head.head]
    for other in flat:
        np.testing.assert_allclose(headset.shapes[other], 1 / headset.panels, atol=0.02)
