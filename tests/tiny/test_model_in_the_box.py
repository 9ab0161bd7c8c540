"""What the README says of `tiny`, on a few strips nobody trained on; the whole table is under `slow`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gazecli.models.vlm import VLM
from gazecli.steering.steer import STATIC_PROMPT
from gazecli.tiny.training.evaluate import (
    SHORT_PANEL,
    Example,
    _discover,
    draw_examples,
    exact_share,
    following,
    measure,
    redirection,
    unsteered,
)

STRIPS = 8


@pytest.fixture(scope="module")
def vlm(vlm_of: Callable[[str], VLM]) -> VLM:
    return vlm_of("tiny")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return draw_examples(STRIPS, 777_001, 6)


def test_it_says_exactly_what_happens_in_the_panel_asked_about(vlm: VLM, examples: list[Example]) -> None:
    assert exact_share(vlm, examples, [SHORT_PANEL]) >= 0.9


@pytest.mark.parametrize("panels", [3, 4])
def test_shorter_strips_work_too(vlm: VLM, panels: int) -> None:
    assert exact_share(vlm, draw_examples(STRIPS, 777_002, panels), [SHORT_PANEL]) >= 0.7


def test_its_gaze_heads_redirect_and_others_do_not(vlm: VLM, examples: list[Example]) -> None:
    headset = _discover(vlm, 10, 777_003)
    heads = headset.top()
    assert headset.scores("raw").max() >= 0.7
    gaze = redirection(vlm, examples, heads)
    controls = [redirection(vlm, examples, headset.controls(len(heads), seed=seed)) for seed in range(3)]
    everything = redirection(vlm, examples, headset.top(vlm.layers * vlm.heads))
    plain, _ = unsteered(vlm, examples, STATIC_PROMPT)
    assert gaze >= 0.9
    assert np.mean(controls) <= gaze - 0.5
    assert everything <= 0.25
    assert plain <= 0.3
    assert following(vlm, examples[:4], heads, None).about >= 0.75


def test_the_weights_are_safetensors_of_less_than_16_megabytes() -> None:
    folder = Path(__file__).parents[2] / "gazecli" / "tiny" / "checkpoint"
    weights = list(folder.glob("*.safetensors"))
    assert weights
    assert sum(path.stat().st_size for path in folder.iterdir()) < 16_000_000
    assert not list(folder.glob("*.bin"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_table_holds_on_fifty_strips(vlm: VLM) -> None:
    figures = measure(vlm, 50, 777_100, lambda message: None)
    assert figures["exact caption, 6 panels"] >= 0.95  # type: ignore[operator]
    assert figures["static, suggested top"] >= 0.95  # type: ignore[operator]
    assert figures["static, controls mean"] <= 0.35  # type: ignore[operator]
    assert figures["static, suggested top"] - figures["static, controls mean"] >= 0.6  # type: ignore[operator]
    assert figures["static, all heads"] <= 0.2  # type: ignore[operator]
    assert figures["unsteered, a given target"] <= 0.25  # type: ignore[operator]
    assert figures["dynamic, a sentence each, about the scheduled panel"] >= 0.85  # type: ignore[operator]
