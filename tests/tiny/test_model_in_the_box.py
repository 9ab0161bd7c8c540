"""What docs/the-small-model.md says of `tiny`, on a few strips nobody trained on; its whole table is slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gazecli.evaluation.examples import Example
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.models.vlm import VLM
from gazecli.tiny.training.evaluate import (
    SHORT_PANEL,
    STATIC,
    discover_heads,
    draw_examples,
    exact_share,
    measure,
    narrated_sentences,
    panel_task,
)

STRIPS = 8


@pytest.fixture(scope="module")
def vlm(vlm_of: Callable[[str], VLM]) -> VLM:
    return vlm_of("tiny")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    return draw_examples(tmp_path_factory.mktemp("drawn") / "comics", STRIPS, 777_001, 6)


def test_it_says_exactly_what_happens_in_the_panel_asked_about(vlm: VLM, examples: list[Example]) -> None:
    assert exact_share(panel_task(vlm, examples, [SHORT_PANEL])) >= 0.9


@pytest.mark.parametrize("panels", [3, 4])
def test_shorter_strips_work_too(vlm: VLM, panels: int, tmp_path: Path) -> None:
    drawn = draw_examples(tmp_path / "comics", STRIPS, 777_002, panels)
    assert exact_share(panel_task(vlm, drawn, [SHORT_PANEL])) >= 0.7


def test_its_gaze_heads_redirect_and_others_do_not(vlm: VLM, examples: list[Example], tmp_path: Path) -> None:
    headset = discover_heads(vlm, tmp_path, 10, 777_003)
    heads = headset.top()
    assert headset.scores("raw").max() >= 0.7
    task = RedirectionTask(vlm, examples, STATIC)
    gaze = exact_share(task, heads)
    controls = [exact_share(task, headset.controls(len(heads), seed=seed)) for seed in range(3)]
    assert gaze >= 0.9
    assert np.mean(controls) <= gaze - 0.5
    assert exact_share(task, headset.top(vlm.layers * vlm.heads)) <= 0.25
    assert exact_share(task) <= 0.3
    _, about = narrated_sentences(vlm, examples[:4], heads, None)
    assert about >= 0.75


def test_the_weights_are_safetensors_of_less_than_16_megabytes() -> None:
    folder = Path(__file__).parents[2] / "gazecli" / "tiny" / "checkpoint"
    weights = list(folder.glob("*.safetensors"))
    assert weights
    assert sum(path.stat().st_size for path in folder.iterdir()) < 16_000_000
    assert not list(folder.glob("*.bin"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_table_holds_on_fifty_strips(vlm: VLM, tmp_path: Path) -> None:
    figures = measure(vlm, tmp_path, 50, 777_100)
    assert figures["exact caption, 6 panels"] >= 0.95  # type: ignore[operator]
    assert figures["static, suggested top"] >= 0.95  # type: ignore[operator]
    assert figures["static, controls mean"] <= 0.35  # type: ignore[operator]
    assert figures["static, suggested top"] - figures["static, controls mean"] >= 0.6  # type: ignore[operator]
    assert figures["static, all heads"] <= 0.2  # type: ignore[operator]
    assert figures["unsteered, a given target"] <= 0.25  # type: ignore[operator]
    assert figures["dynamic, a sentence each, about the scheduled panel"] >= 0.85  # type: ignore[operator]
