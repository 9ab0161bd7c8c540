"""Redirection on random models: every condition is run, counted alike, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Cache
from gazecli.errors import HeadSetError, UsageError
from gazecli.evaluation.conditions import Choice, conditions_for, controls_for
from gazecli.evaluation.evaluate import Execution, Plan, execute
from gazecli.evaluation.examples import Examples, chance_of
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.steering.settings import SteerSettings
from tests.evaluation.comics import captioned_examples

SHORT = SteerSettings(max_new_tokens=3)


@pytest.fixture(scope="module")
def vlm(vlm_of: Callable[[str], VLM]) -> VLM:
    return vlm_of("qwen2_vl")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return captioned_examples(tmp_path_factory.mktemp("evaluated") / "comics", 3)


@pytest.fixture(scope="module")
def headset(vlm: VLM, examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    return discover(vlm, examples.comics, panels=3, cache=Cache(tmp_path_factory.mktemp("cache")))


def run(vlm: VLM, headset: HeadSet, examples: Examples, folder: Path, **changes: object) -> Execution:
    plan = Plan("static", SHORT, 2, "raw", **changes)  # type: ignore[arg-type]
    return execute(vlm, headset, examples, plan, LexicalJudge(), Cache(folder))


def test_conditions_are_gaze_five_controls_all_and_none(headset: HeadSet) -> None:
    conditions = conditions_for(headset, 1, "raw")
    *steered, everything, nothing = conditions
    gaze, *controls = steered
    assert (gaze.name, gaze.heads) == ("gaze", headset.top(1, "raw"))
    assert all(c.name == "control" and c.heads[0].layer == gaze.heads[0].layer for c in controls)
    assert all(not set(c.heads) & set(gaze.heads) for c in controls)
    assert len(everything.heads) == headset.image_mass.size
    assert (nothing.name, nothing.heads) == ("unsteered", [])


@pytest.mark.parametrize(("top", "draws"), [(1, 5), (4, 1)])
def test_no_control_is_counted_twice(top: int, draws: int) -> None:
    square = np.zeros((2, 8, 2, 2), np.float32)
    square[0, :top] = np.eye(2)
    header = {"suggested": {"score": "raw", "top": top, "why": "-"}}
    one_layer = HeadSet(
        header, square, square, square[..., 0, 0], np.stack([square] * 2), square[..., 0, 0][None]
    )
    controls = controls_for(one_layer, top, "raw")
    assert len(controls) == draws
    assert len({tuple(c.heads) for c in controls}) == draws
    assert all(c.heads == one_layer.controls(top, c.seed or 0) for c in controls)


def test_where_too_few_heads_are_left_there_are_no_controls(headset: HeadSet) -> None:
    names = [condition.name for condition in conditions_for(headset, headset.image_mass.size, "raw")]
    assert names == ["gaze", "all", "unsteered"]


def test_every_condition_asks_for_every_region_of_every_picture(
    vlm: VLM, headset: HeadSet, examples: Examples, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    plan = Plan("static", SHORT, 2, "raw")
    found = execute(
        vlm,
        headset,
        examples,
        plan,
        LexicalJudge(),
        Cache(tmp_path),
        lambda done, total: steps.append((done, total)),
    )
    count = len(conditions_for(headset, 2, "raw"))
    metrics = found.metrics
    assert [t.n for t in metrics] == [9] * count
    assert all(len(t.per_region) == 3 for t in metrics)
    assert metrics[-1].unchanged == 0
    assert chance_of(found.examples.usable) == pytest.approx(1 / 3)
    assert found.headset is headset
    assert (steps[0], steps[-1]) == ((0, 3), (3, 3))
    assert steps == sorted(set(steps))


def test_an_evaluation_can_be_repeated(
    vlm: VLM, headset: HeadSet, examples: Examples, tmp_path: Path
) -> None:
    first, second = (run(vlm, headset, examples, tmp_path) for _ in range(2))
    assert first.metrics == second.metrics


def test_judged_trials_follow_from_the_answers(vlm: VLM, headset: HeadSet, examples: Examples) -> None:
    task = RedirectionTask(vlm, examples.usable, SHORT, judge=LexicalJudge())
    choices = [Choice(tuple(headset.top(2))), Choice()]
    steered, [plain, _] = task.trials([0, 2], choices, lambda _by: None)
    assert [[trial.target for trial in trials] for trials in steered] == [[1, 2, 3]] * 2
    assert len({trial.text for trial in plain}) == 1
    for trials in steered:
        for trial in trials:
            assert (trial.described is not None) == (trial.outcome == "judged")


def test_a_sweep_chooses_on_one_half_and_tests_on_the_other(
    vlm: VLM, headset: HeadSet, examples: Examples, tmp_path: Path
) -> None:
    found = run(vlm, headset, examples, tmp_path, sweep="heads")
    assert found.choice is not None
    assert (found.choice.strips, found.strips) == (1, 2)
    assert all(each.n == 6 for each in found.metrics)
    assert found.choice.k in [point.k for point in found.sweep]
    assert len(found.runs[0].condition.heads) == found.choice.k
    best = max(found.sweep, key=lambda point: point.gaze)
    assert found.choice.accuracy >= best.gaze - best.error


@pytest.mark.parametrize("sweep", ["heads", "strength"])
def test_a_choice_that_is_no_better_than_chance_is_no_suggestion(
    vlm: VLM, headset: HeadSet, examples: Examples, tmp_path: Path, sweep: str
) -> None:
    found = run(vlm, headset, examples, tmp_path, sweep=sweep)
    assert found.choice is not None
    assert "no better than chance" in (found.choice.refused or "")
    assert found.headset is headset
    assert Cache(tmp_path).entries() == []


def test_the_papers_controls_come_from_the_lowest_scores(headset: HeadSet) -> None:
    conditions = conditions_for(headset, 1, "raw", controls=2, low_controls=3)
    low = [condition for condition in conditions if condition.name == "low_control"]
    scores = headset.scores("raw")
    assert len(low) == 1  # of so few heads the lowest 5 % are one
    assert [scores[head] for head in low[0].heads] == [scores.min()]
    assert sum(condition.name == "control" for condition in conditions) == 2


def test_heads_of_another_model_are_refused(
    vlm_of: Callable[[str], VLM], headset: HeadSet, examples: Examples, tmp_path: Path
) -> None:
    with pytest.raises(HeadSetError, match="belongs to"):
        run(vlm_of("qwen3_vl"), headset, examples, tmp_path)


def test_a_sweep_needs_two_pictures(vlm: VLM, headset: HeadSet, tmp_path: Path) -> None:
    lonely = captioned_examples(tmp_path / "comics", 1)
    with pytest.raises(UsageError, match="two strips"):
        run(vlm, headset, lonely, tmp_path, sweep="heads")
