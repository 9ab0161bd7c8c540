"""The model in the box, whose captions are exact: the evaluation finds the heads, the judge is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.evaluation.conditions import controls_for
from gazecli.evaluation.evaluate import PROMPTS
from gazecli.evaluation.narration import ScheduledNarration
from gazecli.evaluation.redirection import Redirection
from gazecli.evaluation.sweep import share_of_hits
from gazecli.evaluation.trials import Condition, Examples, examples_of
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.pictures.comics import open_comics
from gazecli.steering.steer import SteerSettings

COMICS = Path(__file__).parents[2] / "examples" / "comics"
STRIPS = range(4)


@pytest.fixture(scope="module")
def vlm(vlm_of: Callable[[str], VLM]) -> VLM:
    return vlm_of("tiny")


@pytest.fixture(scope="module")
def examples() -> Examples:
    return examples_of(open_comics(COMICS, panels=6))


@pytest.fixture(scope="module")
def headset(vlm: VLM, examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    return discover(vlm, examples.comics, cache=Cache(tmp_path_factory.mktemp("cache")))


def test_gaze_heads_redirect_better_than_controls_all_and_none(
    vlm: VLM, examples: Examples, headset: HeadSet
) -> None:
    task = Redirection(vlm, examples.usable, SteerSettings(max_new_tokens=24))

    def accuracy(condition: Condition) -> float:
        return task.measure(condition, STRIPS, 6, 0, lambda: None).accuracy

    gaze = accuracy(Condition("gaze", headset.top()))
    assert gaze >= 0.5
    assert gaze >= accuracy(controls_for(headset, headset.resolve_top(), "raw")[0]) + 0.15
    assert accuracy(Condition("all", headset.top(headset.image_mass.size))) <= 0.2
    assert accuracy(Condition("unsteered", [])) <= 1 / 6 + 1e-9


def test_the_judge_agrees_with_exact_captions(vlm: VLM, examples: Examples, headset: HeadSet) -> None:
    task = Redirection(vlm, examples.usable, SteerSettings(max_new_tokens=24))
    pictures = task.trials(STRIPS, headset.top(), lambda: None)
    exact = 0
    for number, trials in zip(STRIPS, pictures, strict=True):
        captions = examples.usable[number].captions
        for trial in trials:
            if trial.text in captions and trial.fate != "unchanged":
                exact += 1
                assert trial.described == captions.index(trial.text) + 1
    assert exact >= 8


def test_a_steered_narration_follows_the_schedule(vlm: VLM, examples: Examples, headset: HeadSet) -> None:
    settings = SteerSettings(PROMPTS["dynamic"], scope="answer")
    task = ScheduledNarration(vlm, examples.usable, settings, None, seed=3)
    steered = task.measure(Condition("gaze", headset.top()), STRIPS, 6, 0, lambda: None)
    free = task.trials(STRIPS, [], lambda: None)
    assert steered.accuracy >= 0.5
    assert steered.accuracy >= share_of_hits(free) + 0.2
    assert steered.schedule_rho is not None
    assert steered.schedule_rho >= 0.4
