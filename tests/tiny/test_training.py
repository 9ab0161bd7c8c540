"""Training teaches the stock model: its shortcuts equal the stock forward, its schedule repeats."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.tiny.panel import draw_panel
from gazecli.tiny.scenes import draw_scene
from gazecli.tiny.training.batches import IGNORED, BatchSource, Branch, Pool, curriculum, strip_patches
from gazecli.tiny.training.forward import answer_states, encode_pictures, tree_mask
from gazecli.tiny.training.train import Schedule


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = random.Random(3)
    scenes = [draw_scene(rng) for _ in range(12)]
    return Pool(np.stack([np.asarray(draw_panel(scene, rng, 112, 2)) for scene in scenes]), scenes)


class Calm(random.Random):
    """Never draws a gap, a margin or a stretch."""

    def random(self) -> float:
        return 0.99


def test_a_batch_is_tokenised_and_patched_as_the_processor_does(
    vlm_of: Callable[[str], VLM], pool: Pool
) -> None:
    vlm = vlm_of("tiny")
    source = BatchSource(pool, vlm.tokenizer, 1)
    patches = strip_patches(pool, range(6), (56, 336), Calm(1))
    picture = Picture.from_image(Image.fromarray(np.concatenate(list(pool.pixels[:6]), 1)), panels=6)
    question = "What is happening in the third panel from the left? Answer briefly."
    inputs, layout = vlm.prepare(picture, question)
    stock = inputs["pixel_values"].numpy().reshape(-1, 3, 2, 14, 14)[:, :, 0].reshape(-1, 588)
    np.testing.assert_allclose(stock, patches, atol=1e-6)
    tree = source._tree([Branch(question, pool.scenes[2].caption, 0)], 2, 12)
    assert tree[0, : layout.length].tolist() == inputs["input_ids"][0].tolist()
    positions, _ = vlm.model.model.get_rope_index(
        inputs["input_ids"],
        mm_token_type_ids=inputs["mm_token_type_ids"],
        image_grid_thw=inputs["image_grid_thw"],
    )
    assert tree[1:4, : layout.length].tolist() == positions[:, 0].tolist()


def test_many_pictures_in_one_batch_equal_the_stock_tower(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    vlm = vlm_of("tiny")
    patches = torch.from_numpy(
        np.stack([strip_patches(pool, range(start, start + 6), (56, 336), Calm(1)) for start in (0, 3)])
    )
    frames = patches.view(2 * 96, 3, 1, 196).expand(-1, -1, 2, -1).reshape(2 * 96, -1)
    with torch.no_grad():
        fast = encode_pictures(vlm.model, patches, (4, 24))
        stock = vlm.model.model.visual(frames, torch.tensor([[1, 4, 24]] * 2)).pooler_output
    torch.testing.assert_close(fast.flatten(0, 1), stock, atol=1e-4, rtol=0)


def test_branches_see_the_picture_and_themselves_alone() -> None:
    mask = tree_mask(torch.tensor([[0, 0, 1, 1, 2, 2, -1]]))[0, 0]
    assert mask[3].tolist() == [True, True, True, True, False, False, False]
    assert mask[5].tolist() == [True, True, False, False, True, True, False]


def test_a_branch_gets_the_logits_it_would_get_alone(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    vlm = vlm_of("tiny")
    source = BatchSource(pool, vlm.tokenizer, 1)
    batch = source.batch(1, 6, small=False, long=False)
    number = 2
    kept = (batch.branch == 0) | (batch.branch == number)
    with torch.no_grad():
        states, _ = answer_states(vlm.model, batch)
        labelled = (batch.labels != IGNORED)[0]
        together = states[(batch.branch[0] == number)[labelled]]
        alone = vlm.model.model.language_model(
            inputs_embeds=_embedded(vlm, batch)[:, kept[0]],
            position_ids=batch.positions[:, :, kept[0]],
            use_cache=False,
        ).last_hidden_state[0]
    torch.testing.assert_close(together, alone[labelled[kept[0]]], atol=1e-3, rtol=0)


def _embedded(vlm: VLM, batch: object) -> torch.Tensor:
    embedded = vlm.model.model.language_model.embed_tokens(batch.tokens)  # type: ignore[attr-defined]
    pictures = encode_pictures(vlm.model, batch.patches, batch.grid)  # type: ignore[attr-defined]
    is_picture = batch.tokens == vlm.model.config.image_token_id  # type: ignore[attr-defined]
    return embedded.masked_scatter(is_picture[..., None], pictures)


def test_a_resumed_run_gets_the_same_batches(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    tokenizer = vlm_of("tiny").tokenizer
    whole = list(curriculum(BatchSource(pool, tokenizer, 1), 476, 482, 2))
    resumed = list(curriculum(BatchSource(pool, tokenizer, 1), 479, 482, 2))
    for one, other in zip(whole[3:], resumed, strict=True):
        assert torch.equal(one.tokens, other.tokens)
        assert torch.equal(one.patches, other.patches)


def test_the_rate_holds_and_falls_at_the_end_only() -> None:
    short, long = Schedule(3000, 500, 24, 1.5e-3), Schedule(4000, 500, 24, 1.5e-3)
    assert [short.rate_at(step) for step in range(2500)] == [long.rate_at(step) for step in range(2500)]
    assert short.rate_at(2999) < 0.03 * short.rate_at(2500)
