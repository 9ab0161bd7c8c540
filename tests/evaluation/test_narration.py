"""Scheduled narration: orders that tell schedule and reading apart, and agreement with both."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.errors import UsageError
from gazecli.evaluation.conditions import Choice, Condition
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.lexical import CaptionMatcher, LexicalJudge
from gazecli.evaluation.metrics import mean_rho, narration_metrics, run_metrics, text_delay
from gazecli.evaluation.tasks.dynamic import NarrationTask, derangement
from gazecli.evaluation.trials import Response, Run, Trial
from gazecli.models.vlm import VLM
from gazecli.steering.settings import DYNAMIC_PROMPT, SteerSettings
from tests.evaluation.comics import captioned_examples

HEADS = [(0, 1), (1, 3), (2, 0)]


@given(st.integers(2, 20), st.integers())
def test_in_a_derangement_nothing_stands_at_its_own_place(count: int, seed: int) -> None:
    order = derangement(count, random.Random(seed))
    assert sorted(order) == list(range(1, count + 1))
    assert all(number != place for place, number in enumerate(order, 1))


def test_one_panel_has_no_derangement() -> None:
    with pytest.raises(UsageError, match="two panels"):
        derangement(1, random.Random(0))


def test_rank_correlation_is_a_mean_over_pictures_of_what_was_judged() -> None:
    follows = [(2, 2), (3, 3), (1, 1)]
    against = [(1, 3), (2, 2), (3, 1)]
    assert mean_rho([follows]) == pytest.approx(1)
    assert mean_rho([follows, against]) == pytest.approx(0)
    assert mean_rho([follows, [(None, 1), (None, 2)]]) == pytest.approx(1)
    assert mean_rho([[(None, 1)], []]) is None


@pytest.mark.parametrize("every", [3, None])
def test_each_narration_has_a_trial_a_panel_in_scheduled_order(
    vlm_of: Callable[[str], VLM], tmp_path: Path, every: int | None
) -> None:
    examples = captioned_examples(tmp_path / "comics", 2)
    settings = SteerSettings(DYNAMIC_PROMPT, scope="answer")
    task = NarrationTask(vlm_of("qwen2_vl"), examples.usable, settings, every, 1, judge=LexicalJudge())
    heads = Condition("gaze", HEADS).heads  # type: ignore[arg-type]
    gaze, plain = Choice(tuple(heads)), Choice()
    for narrated in task.trials([0, 1], [gaze, plain], lambda _by: None):
        assert [[trial.target for trial in trials] for trials in narrated] == task.orders
    run = Run(Condition("gaze", heads), [0, 1], task.trials([0, 1], [gaze], lambda _by: None)[0])
    [metrics] = run_metrics([run], examples.usable, True, 0)
    assert metrics.n == 6
    assert metrics.narration is not None
    assert metrics.accuracy + metrics.narration.natural <= 1
    assert metrics.narration.attention_delay is not None
    assert metrics.narration.attention_delay.switches == 4
    responses = [trial.response for trials in run.pictures for trial in trials if trial.text]
    assert all("".join(each.pieces).strip() == each.text for each in responses)


CAPTIONS = ("A red cat sleeps.", "A blue dog runs.", "A green bird sings.")


def test_a_text_is_about_its_target_from_the_token_that_decides_on() -> None:
    matcher = CaptionMatcher(CAPTIONS)
    late = Response(2, "cat. A dog runs.", pieces=(" cat", ".", " A", " dog", " runs", "."))
    assert text_delay(matcher, late) == 5  # the end of the last sentence stands in the way
    assert text_delay(matcher, Response(2, "dog", pieces=(" dog",))) == 1
    assert text_delay(matcher, Response(3, "A dog.", pieces=("A", " dog", "."))) is None


def test_delays_are_counted_from_the_first_change_on() -> None:
    first, second, third = (
        Trial(Response(1, "cat", pieces=("cat",), attention_delay=5), 1, "judged"),
        Trial(Response(3, "a bird", pieces=("a", " bird"), attention_delay=1), 3, "judged"),
        Trial(Response(2, "a cat", pieces=("a", " cat")), 1, "judged"),
    )
    example = Example("strip", 3, CAPTIONS)
    steered = Run(Condition("gaze", HEADS), [0], [[first, second, third]])  # type: ignore[arg-type]
    found = narration_metrics(steered, [example])
    assert (found.text_delay, found.attention_delay) is not None
    assert found.text_delay is not None
    assert (found.text_delay.tokens, found.text_delay.switches) == ([2], 2)
    assert found.attention_delay is not None
    assert (found.attention_delay.tokens, found.attention_delay.switches) == ([1], 2)
    unsteered = Run(Condition("unsteered", []), [0], steered.pictures)
    assert narration_metrics(unsteered, [example]).attention_delay is None
