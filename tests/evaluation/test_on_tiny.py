"""The model in the box, whose captions are exact: the evaluation finds the heads, the judge is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.evaluation.conditions import Choice, Condition, controls_for
from gazecli.evaluation.evaluate import PROMPTS, Plan, execute
from gazecli.evaluation.examples import Examples, examples_of
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.metrics import condition_metrics, narration_metrics
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Run, Trial
from gazecli.heads.discover import discover
from gazecli.heads.headset import Head, HeadSet
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import SteerSettings

COMICS = Path(__file__).parents[2] / "examples" / "comics"
STRIPS = range(4)


def hit_rate(pictures: list[list[Trial]]) -> float:
    hits = [trial.hit for trials in pictures for trial in trials]
    return sum(hits) / len(hits)


def trials_under(task: Task, heads: Sequence[Head]) -> list[list[Trial]]:
    """The trials of the strips under one choice of heads."""
    return task.trials(STRIPS, [Choice(tuple(heads))], lambda _by: None)[0]


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
    task = RedirectionTask(vlm, examples.usable, SteerSettings(max_new_tokens=24), judge=LexicalJudge())

    def accuracy(condition: Condition) -> float:
        return hit_rate(trials_under(task, condition.heads))

    gaze = accuracy(Condition("gaze", headset.top()))
    assert gaze >= 0.5
    assert gaze >= accuracy(controls_for(headset, headset.resolve_top(), "raw")[0]) + 0.15
    assert accuracy(Condition("all", headset.top(headset.image_mass.size))) <= 0.2
    assert accuracy(Condition("unsteered", [])) <= 1 / 6 + 1e-9


def test_the_judge_agrees_with_exact_captions(vlm: VLM, examples: Examples, headset: HeadSet) -> None:
    task = RedirectionTask(vlm, examples.usable, SteerSettings(max_new_tokens=24), judge=LexicalJudge())
    pictures = trials_under(task, headset.top())
    exact = 0
    for number, trials in zip(STRIPS, pictures, strict=True):
        captions = examples.usable[number].truths or ()
        for trial in trials:
            if trial.text in captions and trial.outcome != "unchanged":
                exact += 1
                assert trial.described == captions.index(trial.text) + 1
    assert exact >= 8


def test_a_steered_narration_follows_the_schedule(vlm: VLM, examples: Examples, headset: HeadSet) -> None:
    settings = SteerSettings(PROMPTS["dynamic"], scope="answer")
    task = NarrationTask(vlm, examples.usable, settings, None, 3, judge=LexicalJudge())
    heads = headset.top()
    steered = trials_under(task, heads)
    free = trials_under(task, [])
    assert hit_rate(steered) >= max(0.5, hit_rate(free) + 0.2)
    followed = narration_metrics(Run(Condition("gaze", heads), list(STRIPS), steered), examples.usable)
    assert followed.schedule_rho is not None
    assert followed.schedule_rho >= 0.4
    assert followed.attention_delay is not None
    assert followed.text_delay is not None
    # Steered heads look at the new target at once; the text needs a few words to be about it.
    assert set(followed.attention_delay.tokens) == {1}
    assert len(followed.text_delay.tokens) >= 0.8 * followed.text_delay.switches
    assert 1 <= sum(followed.text_delay.tokens) / len(followed.text_delay.tokens) <= 8


def test_without_sight_of_the_gaze_heads_the_model_cannot_tell_panels_apart(
    vlm: VLM, examples: Examples, headset: HeadSet
) -> None:
    prompts = panel_prompts(DISCOVERY_PROMPT, 6)
    task = BlindingTask(vlm, examples.usable, prompts, 24, judge=LexicalJudge())

    def accuracy(heads: list[Head]) -> float:
        return hit_rate(trials_under(task, heads))

    plain, blind = accuracy([]), accuracy(headset.top(8))
    assert plain >= 0.9
    assert blind <= plain - 0.3
    assert blind <= accuracy(headset.controls(8, seed=0)) - 0.2


def test_a_sweeps_choice_is_kept_as_a_head_set_of_its_own(
    vlm: VLM, examples: Examples, headset: HeadSet, tmp_path: Path
) -> None:
    settings = SteerSettings(max_new_tokens=24)
    plan = Plan("static", settings, 5, "raw", sweep="heads", scores=("raw", "selectivity"), controls=2)
    few = replace(examples, usable=examples.usable[:4])
    found, again = (execute(vlm, headset, few, plan, LexicalJudge(), Cache(tmp_path)) for _ in range(2))
    assert found.choice is not None
    assert found.choice.refused is None
    assert {point.score for point in found.sweep} == {"raw", "selectivity"}
    artifact = Cache(tmp_path).get(found.headset.digest)
    assert artifact is not None
    kept = HeadSet.from_artifact(artifact, found.headset.digest)
    suggested = kept.header["suggested"]
    assert (suggested["top"], suggested["score"]) == (found.choice.k, found.choice.score)
    assert "held-out" in suggested["why"]
    assert {**kept.header, "suggested": None} == {**headset.header, "suggested": None}
    assert again.headset.digest == found.headset.digest


def test_a_narration_that_repeats_a_right_sentence_is_judged_by_it(
    vlm: VLM, examples: Examples, headset: HeadSet
) -> None:
    task = NarrationTask(
        vlm, examples.usable, SteerSettings(PROMPTS["dynamic"], scope="answer"), 50, 3, judge=LexicalJudge()
    )
    [steered] = task.trials([0, 1], [Choice(tuple(headset.top()))], lambda _by: None)
    counted = condition_metrics(Condition("gaze", headset.top()), steered, None, 0)
    assert counted.accuracy >= 0.5
    assert counted.junk <= 0.2 * counted.n
