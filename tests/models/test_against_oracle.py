"""The fast paths equal the paper's recipe written plainly, on every Qwen generation and on `tiny`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

import numpy as np
import pytest
import torch

from gazecli.errors import ModelError
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import gaze_attention
from gazecli.models.attention.kv_cache import as_argument, empty_cache
from gazecli.models.attention.modes import MODES, SCOPES
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import ask, last_token_mass
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import QWEN, noise_picture

HEADS = [(0, 1), (1, 3), (1, 0), (2, 2)]
SIZES = [(600, 100, 6), (420, 130, 3), (300, 300, 4)]


def matrices_of(vlm: VLM, pictures: list[Picture], panels: int) -> np.ndarray:
    """(L, H, P, P) of the first picture, all pictures in one batch."""
    prompts = panel_prompts(DISCOVERY_PROMPT, panels)
    batch = [ask(vlm, picture, prompts) for picture in pictures]
    tables = [each.layout.membership(picture.regions) for each, picture in zip(batch, pictures, strict=True)]
    mass = last_token_mass(vlm, batch, tables)
    stacked = torch.stack([mass[layer] for layer in sorted(mass)])  # (L, B, P, H, R)
    return stacked[:, :, :, :, :-1].permute(1, 0, 3, 2, 4).double().numpy()


def plain_matrices(vlm: VLM, picture: Picture, panels: int) -> np.ndarray:
    strip = []
    for prompt in panel_prompts(DISCOVERY_PROMPT, panels):
        inputs, layout = vlm.prepare(picture, prompt)
        strip.append((inputs, [layout.tokens(region).tolist() for region in picture.regions]))
    return oracle.discover(vlm.model, [strip])


@pytest.mark.parametrize("family", [*QWEN, "tiny"])
@pytest.mark.parametrize(("width", "height", "panels"), SIZES)
def test_discovery_equals_one_eager_pass_a_question(
    vlm_of: Callable[[str], VLM], family: str, width: int, height: int, panels: int
) -> None:
    vlm = vlm_of(family)
    pictures = [noise_picture(width, height, panels, seed) for seed in (1, 2)]
    fast = matrices_of(vlm, pictures, panels)
    for got, picture in zip(fast, pictures, strict=True):
        np.testing.assert_allclose(got, plain_matrices(vlm, picture, panels), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", QWEN)
def test_a_strip_scores_the_same_in_any_batch(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    pictures = [noise_picture(420, 130, 3, seed) for seed in range(4)]
    together = matrices_of(vlm, pictures, 3)
    alone = np.concatenate([matrices_of(vlm, [picture], 3) for picture in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", [*QWEN, "tiny"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
def test_steered_text_equals_a_dense_mask_at_every_step(
    vlm_of: Callable[[str], VLM], family: str, mode: str, scope: str
) -> None:
    vlm = vlm_of(family)
    width, height, panels = SIZES[len(mode) % 3]
    picture = noise_picture(width, height, panels, seed=5)
    inputs, layout = vlm.prepare(picture, "What is happening in this panel of the comic strip?")
    for strength in (6.0, 10000.0):
        targets = [None, picture.regions[1], picture.regions[panels - 1]]
        bias = key_bias(vlm.check_heads(HEADS), layout, targets, strength, mode, scope, vlm.device)
        written = generate(vlm, inputs, layout, bias, 3, Limits(5, least=5))
        for target, tokens in zip(targets, written, strict=True):
            owned = layout.tokens(target).tolist() if target is not None else []
            others = [place for place in layout.positions.tolist() if place not in owned]
            heads = HEADS if target is not None else []
            # A random model may write the placeholder, which a full pass takes for a picture.
            tokens = list(takewhile(lambda token: token != vlm.model.config.image_token_id, tokens))
            plain = oracle.steered_logits(
                vlm.model, inputs, heads, owned, others, strength, mode, scope, tokens
            )
            predicted = plain[layout.length - 1 : layout.length - 1 + len(tokens)]
            for end in vlm.end_tokens():
                predicted[:, end] = float("-inf")
            chosen = predicted.gather(1, torch.tensor(tokens)[:, None])[:, 0]
            assert (predicted.max(-1).values - chosen).max() < 1e-3


@pytest.mark.parametrize("family", [*QWEN, "tiny"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("strength", [6.0, 10000.0])
def test_steered_logits_equal_a_dense_mask(
    vlm_of: Callable[[str], VLM], family: str, scope: str, strength: float
) -> None:
    vlm = vlm_of(family)
    picture = noise_picture(600, 100, 6, seed=7)
    inputs, layout = vlm.prepare(picture, "What is happening in this panel of the comic strip?")
    target = picture.regions[2]
    owned = layout.tokens(target).tolist()
    others = [place for place in layout.positions.tolist() if place not in owned]
    with vlm.steered(HEADS, layout, target, strength=strength, scope=scope), torch.no_grad():
        vlm.forget_positions()
        got = vlm.model(**inputs).logits[0]
    plain = oracle.steered_logits(vlm.model, inputs, HEADS, owned, others, strength, scope=scope)
    torch.testing.assert_close(got, plain.float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("family", QWEN)
def test_the_generate_of_transformers_is_steered_too(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    picture = noise_picture(600, 100, 6, seed=8)
    inputs, layout = vlm.prepare(picture, "List the objects.")
    target = picture.regions[4]
    bias = key_bias(vlm.check_heads(HEADS), layout, [target], 10.0, "boost-suppress", "full", vlm.device)
    ours = generate(vlm, inputs, layout, bias, 1, Limits(6, least=6))[0]
    with vlm.steered(HEADS, layout, target):
        theirs = vlm.model.generate(**inputs, max_new_tokens=6, min_new_tokens=6, do_sample=False)
    assert theirs[0, layout.length :].tolist() == ours


def test_a_cache_with_room_for_keys_to_come_is_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen3_vl")
    picture = noise_picture(600, 100, 6, seed=8)
    inputs, layout = vlm.prepare(picture, "List the objects.")
    roomy = {"max_new_tokens": 3, "cache_implementation": "static", "disable_compile": True}
    with vlm.steered(HEADS, layout, picture.regions[4]), pytest.raises(ModelError, match="were counted"):
        vlm.model.generate(**inputs, **roomy)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_keys_are_counted_by_whatever_name_a_decoder_is_handed_its_cache(
    vlm_of: Callable[[str], VLM], name: str
) -> None:
    vlm = vlm_of("qwen3_vl")
    inputs, layout = vlm.prepare(noise_picture(600, 100, 6), "List the objects.")
    cache = empty_cache(vlm.decoder)
    vlm.forget_positions()
    with torch.no_grad():
        vlm.model(**inputs, **as_argument(vlm.model, cache), use_cache=True)
    vlm._begin_pass(vlm.decoder, (), {"input_ids": torch.tensor([[1, 2]]), name: cache})
    assert vlm.state.total == layout.length + 2


@pytest.mark.parametrize("family", QWEN)
def test_the_extra_paths_never_build_a_square_matrix(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    picture = noise_picture(900, 300, 6, seed=9)
    inputs, layout = vlm.prepare(picture, "What is happening?")
    vlm.state.largest = 0
    bias = key_bias(
        vlm.check_heads(HEADS), layout, [picture.regions[0]], 10.0, "boost-suppress", "full", vlm.device
    )
    generate(vlm, inputs, layout, bias, 1, Limits(3))
    matrices_of(vlm, [picture], 6)
    rows = 6 * vlm.heads * (layout.length + 6 * 60)
    assert 0 < vlm.state.largest <= rows
    assert layout.length > 150


def test_with_nothing_to_watch_or_bias_the_path_is_plain_sdpa(vlm_of: Callable[[str], VLM]) -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    vlm = vlm_of("qwen3_vl")
    module = next(iter(vlm.attention.values()))
    query, key, value = torch.randn(1, 4, 9, 16), torch.randn(1, 2, 9, 16), torch.randn(1, 2, 9, 16)
    ours, _ = gaze_attention(module, query, key, value, None, scaling=0.25)
    plain, _ = sdpa_attention_forward(module, query, key, value, None, scaling=0.25)
    assert torch.equal(ours, plain)


def test_two_models_steered_at_once_do_not_meet(
    vlm_of: Callable[[str], VLM], checkpoint: Callable[[str], object]
) -> None:
    from gazecli.models.load import load

    one, other = vlm_of("qwen3_vl"), load(str(checkpoint("qwen3_vl")), device="cpu")
    picture = noise_picture(300, 100, 3, seed=3)
    inputs, layout = one.prepare(picture, "What is this?")
    with torch.no_grad():
        one.forget_positions()
        plain = one.model(**inputs).logits
        with one.steered(HEADS, layout, picture.regions[0]):
            other.forget_positions()
            untouched = other.model(**inputs).logits
            one.forget_positions()
            steered = one.model(**inputs).logits
    assert torch.equal(plain, untouched)
    assert (plain - steered).abs().max() > 1e-3
