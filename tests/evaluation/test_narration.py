"""Scheduled narration: orders that tell schedule and reading apart, and agreement with both."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.errors import UsageError
from gazecli.evaluation.narration import ScheduledNarration, derangement, mean_rho, sentences
from gazecli.evaluation.trials import Condition
from gazecli.models.vlm import VLM
from gazecli.steering.steer import SteerSettings
from gazecli.steering.switch import DYNAMIC_PROMPT
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


@given(st.lists(st.sampled_from(["a", " cat", ".", " sits", "!", " "]), max_size=30))
def test_sentences_keep_every_word(pieces: list[str]) -> None:
    found = sentences(pieces)
    assert "".join(found).replace(" ", "") == "".join(pieces).replace(" ", "")
    assert all(found)


@pytest.mark.parametrize("every", [3, None])
def test_each_narration_has_a_trial_a_panel_in_scheduled_order(
    vlm_of: Callable[[str], VLM], tmp_path: Path, every: int | None
) -> None:
    examples = captioned_examples(tmp_path / "comics", 2)
    settings = SteerSettings(DYNAMIC_PROMPT, scope="answer")
    task = ScheduledNarration(vlm_of("qwen2_vl"), examples.usable, settings, every, seed=1)
    heads = Condition("gaze", HEADS).heads  # type: ignore[arg-type]
    for chosen in (heads, []):
        told = task.trials([0, 1], chosen, lambda: None)
        assert [[trial.target for trial in trials] for trials in told] == task.orders
    counted = task.measure(Condition("gaze", heads), [0, 1], 3, 0, lambda: None)
    assert counted.n == 6
    assert counted.natural is not None
    assert 0 <= counted.natural <= 1
    assert counted.accuracy + counted.natural <= 1
