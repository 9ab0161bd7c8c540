"""Steering random models: the heads move or it is an error, batches equal single runs, work is shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.errors import HeadSetError, RegionError, SteeringError, UsageError
from gazecli.models.architecture import find_vision_tower
from gazecli.models.inference.generate import Limits, generate, vision_once
from gazecli.models.vlm import VLM
from gazecli.steering.schedule import parse_targets, plan
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import steer_regions
from gazecli.steering.switch import narrate
from tests.conftest import QWEN, noise_picture

HEADS = [(0, 1), (1, 3), (2, 0)]


@pytest.mark.parametrize("family", QWEN)
def test_the_heads_move_to_the_target_and_the_answer_says_how_far(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    picture = noise_picture(600, 100, 6)
    answer = gaze.steer(vlm_of(family), picture, region=3, heads=HEADS, max_new_tokens=4)
    assert answer.attention_steered > answer.attention_baseline
    assert 0 <= answer.attention_baseline <= 1
    assert answer.attention_steered <= 1 + 1e-5
    assert answer.region.number == 3


@pytest.mark.parametrize("family", QWEN)
@pytest.mark.parametrize("scope", ["full", "question", "answer", "decode"])
def test_all_regions_in_one_batch_say_what_each_alone_says(
    vlm_of: Callable[[str], VLM], family: str, scope: str
) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    settings = SteerSettings(scope=scope, max_new_tokens=6)
    together = steer_regions(vlm, picture, picture.regions, HEADS, settings)
    for answer in together.answers:
        alone = steer_regions(vlm, picture, [answer.region], HEADS, settings).answers[0]
        assert alone.text == answer.text
        assert alone.attention_steered == pytest.approx(answer.attention_steered, abs=1e-5)


@pytest.mark.parametrize("family", QWEN)
def test_the_vision_tower_runs_once_for_any_number_of_rows(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, "What is this?")
    tower = find_vision_tower(vlm.model)
    patches: list[int] = []
    hook = next(tower.children()).register_forward_hook(
        lambda module, args, output: patches.append(int(args[0].shape[0]))
    )
    try:
        generate(vlm, inputs, layout, None, 1, Limits(1))
        steer_regions(vlm, picture, picture.regions, HEADS, SteerSettings(max_new_tokens=1))
    finally:
        hook.remove()
    assert len(patches) == 2
    assert patches[0] == patches[1]


@pytest.mark.parametrize("family", QWEN)
def test_one_pass_of_the_vision_tower_copied_equals_many(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    inputs, _ = vlm.prepare(picture, "What is this?")
    rows = {name: part.repeat(3, *[1] * (part.ndim - 1)) for name, part in inputs.items()}
    rows.pop("attention_mask")
    with torch.no_grad():
        vlm.forget_positions()
        many = vlm.model(**rows).logits
        vlm.forget_positions()
        with vision_once(vlm, [3]):
            once = vlm.model(**rows).logits
    torch.testing.assert_close(once, many, atol=1e-5, rtol=0)


def test_steering_that_cannot_move_the_heads_is_an_error(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    settings = SteerSettings(strength=1e-6, max_new_tokens=2)
    with pytest.raises(SteeringError, match="did not move"):
        steer_regions(vlm, picture, picture.regions, HEADS, settings)


@pytest.mark.parametrize("head", [(9, 0), (0, 99), (-1, 0), (0, -1)])
def test_a_head_the_model_has_not_is_refused(vlm_of: Callable[[str], VLM], head: tuple[int, int]) -> None:
    with pytest.raises(HeadSetError, match="does not exist"):
        gaze.steer(vlm_of("qwen2_vl"), noise_picture(420, 130, 3), region=1, heads=[head])


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": 0},
        {"strength": float("nan")},
        {"strength": "harder"},
        {"strength": 10001},
        {"mode": "shout"},
        {"scope": "all"},
        {"max_new_tokens": 0},
        {"prompt": "  "},
    ],
)
def test_impossible_settings_are_refused(vlm_of: Callable[[str], VLM], wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        gaze.steer(vlm_of("qwen2_vl"), noise_picture(420, 130, 3), region=1, heads=HEADS, **wrong)  # type: ignore[arg-type]


def test_a_region_that_is_not_there_is_refused(vlm_of: Callable[[str], VLM]) -> None:
    with pytest.raises(RegionError):
        gaze.steer(vlm_of("qwen2_vl"), noise_picture(420, 130, 3), region=4, heads=HEADS)


def test_nothing_stays_behind_after_steering(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen3_vl"), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, "What is this?")
    before = generate(vlm, inputs, layout, None, 1, Limits(5))
    gaze.steer(vlm, picture, region=2, heads=HEADS, max_new_tokens=3)
    assert generate(vlm, inputs, layout, None, 1, Limits(5)) == before
    assert vlm.state.bias is None
    assert vlm.state.watcher is None


def test_a_switch_writes_a_segment_a_target_and_a_step_a_token(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    schedule = plan(parse_targets("2,3,1", picture), every=4)
    narration = narrate(vlm, picture, schedule, HEADS, SteerSettings(scope="answer"))
    assert [segment.region.number for segment in narration.segments] == [2, 3, 1]
    assert [(segment.start, segment.end) for segment in narration.segments][:2] == [(0, 4), (4, 8)]
    assert narration.trajectory.shape == (narration.tokens, 3)
    for segment in narration.segments:
        steered = narration.trajectory[segment.start : segment.end].mean(0)
        assert int(np.argmax(steered)) == segment.region.number - 1


def test_numbers_of_numpy_paths_a_head_set_and_its_name_are_taken(
    vlm_of: Callable[[str], VLM],
) -> None:
    vlm, strip = vlm_of("tiny"), Path("examples/strip.png")
    headset = gaze.discover(vlm, Path("examples/comics"), samples=4)
    picture = gaze.Picture.open(strip)
    plain = gaze.steer(vlm, picture, 3, headset.top(), max_new_tokens=3)
    for region in (np.int64(3), np.array(picture.regions[2].box), picture.regions[2].box):
        for heads in (headset, np.array(headset.top(np.int64(headset.resolve_top())))):
            answer = gaze.steer(vlm, str(strip), region, heads, max_new_tokens=3)
            assert (answer.text, answer.attention_steered) == (plain.text, plain.attention_steered)
    typed = ",".join(f"{layer}.{head}" for layer, head in headset.top())
    for named in (typed, headset.digest, headset.digest[:20], headset.path, "tiny"):
        assert gaze.steer(vlm, picture, 3, named, max_new_tokens=3).text == plain.text
    assert gaze.track(vlm, picture, headset.digest, controls=["0.0"], max_new_tokens=2).controls == [[(0, 0)]]
    with pytest.raises(HeadSetError, match="belongs to"):
        gaze.steer(vlm_of("qwen2_vl"), strip, 3, headset)
    with pytest.raises(HeadSetError, match="nothing in the cache"):
        gaze.steer(vlm, picture, 3, "0123456789")
