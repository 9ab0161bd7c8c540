"""Of raw score and selectivity, an evaluation takes the one that steers better, and the head set keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.cache import Cache
from gazecli.evaluation.evaluate import Execution, Plan, execute
from gazecli.evaluation.examples import examples_of
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.score_choice import FEWEST, MOST, SCORES, are_apart, pictures_to_try
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import PACKAGED
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.steer import SteerSettings

COMICS = Path(__file__).parents[2] / "examples" / "comics"
TOP = 6


@pytest.fixture(scope="module")
def headset() -> HeadSet:
    """The head set that comes with tiny."""
    return HeadSet.load(PACKAGED)


def turned_round(headset: HeadSet, score: str) -> HeadSet:
    """The head set as it would be of a model whose best heads have the worst `score`."""
    measured = "matrices" if score == "raw" else "shapes"
    turned = replace(headset, **{measured: 1.0 - getattr(headset, measured)})
    return replace(turned, digest=turned.to_artifact().digest)


def run(vlm: VLM, headset: HeadSet, cache: Cache) -> Execution:
    settings = SteerSettings(max_new_tokens=16)
    plan = Plan("static", settings, TOP, "raw", scores=SCORES, controls=1)
    examples = examples_of(open_comics(COMICS, panels=6, samples=FEWEST, seed=1))
    return execute(vlm, headset, examples, plan, LexicalJudge(), cache, batch_size=128)


def test_the_score_that_steers_better_is_taken_and_the_head_set_remembers_it(
    vlm_of: Callable[[str], VLM], headset: HeadSet, tmp_path: Path
) -> None:
    misled = turned_round(headset, "raw")
    assert misled.is_untested
    assert are_apart(misled, TOP)
    found = run(vlm_of("tiny"), misled, Cache(tmp_path))
    assert found.score_choice is not None
    assert (found.score_choice.score, found.score_choice.refused) == ("selectivity", None)
    by_raw, by_selectivity = found.score_choice.tried
    assert all(two > one for one, two in zip(by_raw.halves, by_selectivity.halves, strict=True))
    assert found.runs[0].condition.heads == headset.top(TOP, "selectivity")
    assert found.strips == FEWEST, "no picture is lost to the choice"
    assert found.metrics[0].accuracy == pytest.approx(by_selectivity.accuracy)
    artifact = Cache(tmp_path).get(found.headset.digest)
    assert artifact is not None
    kept = HeadSet.from_artifact(artifact, found.headset.digest)
    assert (kept.resolve_score(), kept.resolve_top(), kept.strength) == ("selectivity", TOP, None)
    assert not kept.is_untested
    assert f"{by_raw.accuracy:.3f}" in kept.header["suggested"]["why"]


def test_the_score_suggested_stays_where_the_other_steers_no_better(
    vlm_of: Callable[[str], VLM], headset: HeadSet, tmp_path: Path
) -> None:
    found = run(vlm_of("tiny"), turned_round(headset, "selectivity"), Cache(tmp_path))
    assert found.score_choice is not None
    assert found.score_choice.score == "raw"
    assert found.runs[0].condition.heads == headset.top(TOP, "raw")
    assert found.headset.resolve_score() == "raw"
    assert not found.headset.is_untested


def test_scores_that_rank_the_same_heads_first_are_not_tried(headset: HeadSet) -> None:
    assert not are_apart(headset, headset.resolve_top())


def test_too_few_pictures_choose_no_score() -> None:
    assert pictures_to_try(FEWEST - 1, 42) == []


@given(st.integers(FEWEST, 1000), st.integers(0, 2**31))
def test_a_bounded_number_of_pictures_is_tried_the_same_each_time(pictures: int, seed: int) -> None:
    tried = pictures_to_try(pictures, seed)
    assert len(tried) == min(pictures, MOST)
    assert np.all(np.diff(tried) > 0)
    assert set(tried) <= set(range(pictures))
    assert tried == pictures_to_try(pictures, seed)
