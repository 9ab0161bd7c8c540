"""Texts written a token at a time: several in turns, and one about a picture that was seen before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gazecli.models.architecture import find_vision_tower
from gazecli.models.attention.modes import Scope
from gazecli.models.inference.generate import ByToken, completed
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import Steering, steer_by_token, steer_regions
from gazecli.steering.track import track, track_by_token
from tests.conftest import QWEN, noise_picture

# The last three: tiles, sliding windows, layers with a recurrent state instead of keys.
FAMILIES = (*QWEN, "tiny", "llava_next", "gemma3", "qwen3_5")
PROMPT = "What is this?"


def heads_of(vlm: VLM) -> list[tuple[int, int]]:
    return [(layer, 0) for layer in vlm.heads_of]


def steps_about(
    vlm: VLM, picture: Picture, region: int, scope: Scope, kept: KeptPicture | None = None
) -> ByToken[Steering]:
    settings = SteerSettings(PROMPT, scope=scope, max_new_tokens=6)
    target = picture.region(region)
    return steer_by_token(
        vlm, picture, [target], heads_of(vlm), settings, require_effect=False, with_maps=True, kept=kept
    )


def same(one: Steering, other: Steering) -> bool:
    return one.baseline == other.baseline and all(
        a.text == b.text and a.attention_steered == b.attention_steered and (a.maps == b.maps).all()
        for a, b in zip(one.answers, other.answers, strict=True)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_written_in_turns_are_those_written_alone(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    wide, high = noise_picture(420, 130, 3), noise_picture(130, 280, 2, seed=1)
    alone = [completed(steps_about(vlm, wide, 2, "full")), completed(steps_about(vlm, high, 1, "answer"))]
    unsteered = track(vlm, high, heads_of(vlm), PROMPT, max_new_tokens=6)
    running = [
        steps_about(vlm, wide, 2, "full"),
        steps_about(vlm, high, 1, "answer"),
        track_by_token(vlm, high, heads_of(vlm), PROMPT, max_new_tokens=6),
    ]
    ended: dict[int, object] = {}
    while len(ended) < len(running):
        for number, steps in enumerate(running):
            try:
                with vlm.biased(None):
                    next(steps)
            except StopIteration as end:
                ended.setdefault(number, end.value)
    assert vlm.state.bias is None
    assert same(ended[0], alone[0])  # type: ignore[arg-type]
    assert same(ended[1], alone[1])  # type: ignore[arg-type]
    assert ended[2].text == unsteered.text  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", ["full", "answer"])
def test_a_picture_seen_before_gives_the_same_and_is_not_seen_again(
    vlm_of: Callable[[str], VLM], family: str, scope: Scope
) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    kept = KeptPicture(vlm, picture)
    tower = find_vision_tower(vlm.model)
    passes: list[int] = []
    hook = next(tower.children()).register_forward_hook(lambda *_: passes.append(1))
    try:
        first = completed(steps_about(vlm, picture, 1, scope, kept))
        seen = len(passes)
        again = [completed(steps_about(vlm, picture, region, scope, kept)) for region in (1, 3)]
        assert len(passes) == seen
    finally:
        hook.remove()
    assert same(first, again[0])
    assert same(again[1], completed(steps_about(vlm, picture, 3, scope)))
    assert kept.size > 0


def test_a_text_that_is_closed_leaves_nothing_behind(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    steps = steps_about(vlm, picture, 2, "full")
    next(steps)
    steps.close()
    assert vlm.state.bias is None
    assert vlm.state.watcher is None
    steer_regions(vlm, picture, picture.regions, heads_of(vlm), SteerSettings(max_new_tokens=2))
