"""Attention written out row by row is what kernels compute where they can, and eager where they cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gazecli.models.attention import rows as written
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.rows import Scores, attend_in_blocks, read_rows
from gazecli.models.vlm import VLM
from tests import oracle
from tests.conftest import noise_picture

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BEYOND_KERNELS = ("paligemma2", "llava_gpt_oss")


@given(st.integers(1, 9), st.integers(1, 12), st.sampled_from([(4, 4), (4, 2), (6, 1)]), st.integers(1, 400))
def test_blocks_of_any_size_equal_the_causal_kernel(
    queries: int, before: int, heads: tuple[int, int], at_once: int
) -> None:
    generator = torch.Generator().manual_seed(queries)
    shapes = ((2, heads[0], queries, 8), *[(2, heads[1], queries + before, 8)] * 2)
    query, key, value = (torch.randn(shape, generator=generator) for shape in shapes)
    visible = torch.ones(queries, queries + before).tril(before).bool()
    plain = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, visible, scale=0.3, enable_gqa=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "_AT_ONCE", at_once)
        for mask in (None, visible[None, None], (~visible)[None, None] * -1e30):
            got = attend_in_blocks(query, key, value, Scores(0.3, mask, before))
            torch.testing.assert_close(got.transpose(1, 2), plain, atol=1e-5, rtol=1e-5)


def test_a_sink_takes_its_share_and_a_cap_bounds_scores() -> None:
    query = key = torch.zeros(1, 1, 1, 4)
    three = torch.tensor([3.0]).log()
    shared = read_rows(query, key, torch.tensor([0]), Scores(1.0, None, 0, sinks=three))
    torch.testing.assert_close(shared.flatten(), torch.tensor([0.25]))
    query, key = torch.tensor([[[[1000.0]]]]), torch.tensor([[[[0.0], [1.0]]]])
    capped = read_rows(query, key, torch.tensor([0]), Scores(1.0, None, 1, softcap=2.0))
    torch.testing.assert_close(capped.flatten(), torch.tensor([0.0, 2.0]).softmax(-1))


@pytest.mark.parametrize("family", BEYOND_KERNELS)
def test_left_alone_the_model_is_the_eager_one(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    inputs, _ = vlm.prepare(noise_picture(360, 120, 3), "What is happening?")
    with torch.no_grad():
        ours = vlm.model(**inputs, use_cache=False).logits
        with oracle.attention_implementation(vlm.model, "eager"):
            theirs = vlm.model(**inputs, use_cache=False).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("family", BEYOND_KERNELS)
def test_no_square_matrix_is_built(
    vlm_of: Callable[[str], VLM], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of(family)
    picture = noise_picture(360, 120, 3)
    inputs, layout = vlm.prepare(picture, "What is happening?")
    monkeypatch.setattr(written, "_AT_ONCE", 16 * layout.length * vlm.heads)
    vlm.state.largest = 0
    bias = key_bias(
        vlm.check_heads([(1, 0)]), layout, [picture.regions[0]], 10.0, "boost-suppress", "full", vlm.device
    )
    with vlm.biased(bias), torch.no_grad():
        vlm.model(**inputs, use_cache=False)
    assert 0 < vlm.state.largest <= 16 * layout.length * vlm.heads
