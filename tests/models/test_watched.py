"""A `generate` call of one's own: watched, steered by a schedule, by numbers of panels, by random heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.errors import ModelError, RegionError, UsageError
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from tests.conftest import QWEN, noise_picture

HEADS = [(0, 1), (1, 3), (2, 0)]
PROMPT = "What is this?"
GREEDY = {"do_sample": False, "max_new_tokens": 8, "min_new_tokens": 8}


def written(vlm: VLM, tokens: torch.Tensor, layout: ImageLayout) -> str:
    return vlm.decode(tokens[0, layout.length :].tolist())


@pytest.mark.parametrize("family", QWEN)
def test_a_watched_call_looks_where_track_says(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    with vlm.watched(HEADS, layout) as watched:
        tokens = vlm.model.generate(**inputs, **GREEDY)
    freely = gaze.track(vlm, picture, HEADS, PROMPT, max_new_tokens=8)
    same = min(freely.tokens, 8)
    assert written(vlm, tokens, layout).startswith(freely.text)
    np.testing.assert_allclose(watched.maps()[:same], freely.maps[0, :same], atol=1e-5)
    np.testing.assert_allclose(watched.trajectory()[:same], freely.trajectories()[0, :same], atol=1e-5)
    named = watched.trajectory(regions=[2, "left"])
    np.testing.assert_allclose(named[:, 0], watched.trajectory()[:, 1])


def test_rows_of_a_padded_batch_are_watched_each_in_its_own_place(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    questions = [PROMPT, "What is this, and where does it stand in the strip?"]
    alone = []
    for question in questions:
        inputs, layout = vlm.prepare(picture, question)
        with vlm.watched(HEADS, layout) as watched:
            vlm.model.generate(**inputs, **GREEDY)
        alone.append(watched.maps())
    texts = [vlm.preparation.prompt(question) for question in questions]
    vlm.tokenizer.padding_side = "left"
    batch = vlm.processor(images=[[picture.image]] * 2, text=texts, padding=True, return_tensors="pt")
    with vlm.watched(HEADS, layout) as watched:
        vlm.model.generate(**batch, **GREEDY)
    assert watched.count == 2
    for row, expected in enumerate(alone):
        np.testing.assert_allclose(watched.maps(row)[0], expected[0], atol=1e-4)


@pytest.mark.parametrize("scope", ["full", "answer", "decode"])
def test_a_schedule_steers_a_generate_call_as_it_steers_switch(
    vlm_of: Callable[[str], VLM], scope: str
) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    schedule = gaze.Schedule([picture.regions[1], picture.regions[2], picture.regions[0]], [0, 3, 6])
    expected = gaze.switch(
        vlm,
        picture,
        schedule,
        HEADS,
        PROMPT,
        scope=scope,
        max_new_tokens=8,
        require_effect=False,  # type: ignore[arg-type]
    )
    with (
        vlm.steered(HEADS, layout, schedule, scope=scope),  # type: ignore[arg-type]
        vlm.watched(HEADS, layout) as watched,
    ):
        tokens = vlm.model.generate(**inputs, **GREEDY)
    assert expected.tokens == 8
    assert written(vlm, tokens, layout) == expected.text
    np.testing.assert_allclose(watched.trajectory(), expected.trajectory, atol=1e-5)


def test_a_schedule_by_sentences_goes_by_what_each_row_has_written() -> None:
    region = noise_picture(90, 30, 3).regions
    schedule = gaze.Schedule([region[0], region[1]], None)
    assert not schedule.is_due(0, 0, "")
    assert not schedule.is_due(0, 4, "A cat sits")
    assert schedule.is_due(0, 5, "A cat sits.")
    assert not schedule.is_due(1, 9, "A dog runs.")


def test_regions_are_named_by_their_numbers_one_for_each_row(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    texts = []
    for region in (2, "2", picture.regions[1]):
        with vlm.steered(HEADS, layout, region):
            texts.append(written(vlm, vlm.model.generate(**inputs, **GREEDY), layout))
    assert len(set(texts)) == 1
    batch = vlm.processor(
        images=[[picture.image]] * 2, text=[vlm.preparation.prompt(PROMPT)] * 2, return_tensors="pt"
    )
    with vlm.steered(HEADS, layout, [2, 3]), vlm.watched(HEADS, layout) as watched:
        vlm.model.generate(**batch, **GREEDY)
    assert watched.trajectory(0)[0].argmax() == 1
    assert watched.trajectory(1)[0].argmax() == 2
    with pytest.raises(RegionError, match="9"), vlm.steered(HEADS, layout, 9):
        pass


def test_random_heads_are_drawn_by_a_seed(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    assert vlm.random_heads(4, seed=1) == vlm.random_heads(4, seed=1) != vlm.random_heads(4, seed=2)
    texts = []
    for heads in ("random", vlm.random_heads(3, seed=7)):
        with vlm.steered(heads, layout, 1, top=3, seed=7):
            texts.append(written(vlm, vlm.model.generate(**inputs, **GREEDY), layout))
    assert texts[0] == texts[1]
    with pytest.raises(UsageError, match="between 1 and"):
        vlm.random_heads(1000)


def test_watching_nothing_or_a_part_of_the_model_is_said(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(420, 130, 3)
    inputs, layout = vlm.prepare(picture, PROMPT)
    with vlm.watched(HEADS, layout) as watched:
        pass
    with pytest.raises(UsageError, match="nothing ran"):
        watched.maps()
    embedded = vlm.model.get_input_embeddings()(inputs["input_ids"])
    with pytest.raises(ModelError, match="bypassed the model"), vlm.watched(HEADS, layout):
        vlm.decoder(inputs_embeds=embedded, use_cache=False)
    other = noise_picture(200, 300, 2)
    with pytest.raises(UsageError, match="image tokens"), vlm.watched(HEADS, vlm.prepare(other, PROMPT)[1]):
        vlm.model.generate(**inputs, **GREEDY)
    assert vlm.state.watcher is None
