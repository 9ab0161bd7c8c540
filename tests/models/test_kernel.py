"""The kernel with a bias on any heads is attention written out, whatever key groups the heads share."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gazecli.models.attention.kernel import BiasedHeads, Call, Feature, where_biased

BATCH, TOKENS, SIZE = 2, 9, 8
SCALE = SIZE**-0.5


class Attention(nn.Module):
    """What transformers' SDPA asks of the module it serves."""

    is_causal = True

    def __init__(self, each: int) -> None:
        super().__init__()
        self.num_key_value_groups = each
        self.eval()


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """softmax(q . k scale + added) v in float64 over the keys that are seen: (B, Q, H, D)."""
    each = query.shape[1] // key.shape[1]
    key, value = (part.double().repeat_interleave(each, dim=1) for part in (key, value))
    scores = query.double() @ key.transpose(-1, -2) * SCALE + added.double()
    weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    return (weights @ value).transpose(1, 2)


@st.composite
def chosen_heads(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    """Key groups, heads that share each, and some of all heads: of all rows, or of each."""
    groups, each = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    some = st.lists(st.integers(0, groups * each - 1), unique=True)
    rows = draw(st.sampled_from([1, BATCH]))
    return groups, each, draw(st.lists(some, min_size=rows, max_size=rows))


@given(chosen_heads(), st.integers(0, TOKENS), st.booleans(), st.integers(0, 2**16))
def test_chosen_heads_are_biased_and_no_other(
    heads: tuple[int, int, list[list[int]]], acts_from: int, masked: bool, seed: int
) -> None:
    groups, each, biased = heads
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    query = noise(BATCH, groups * each, TOKENS, SIZE)
    key, value = noise(BATCH, groups, TOKENS, SIZE), noise(BATCH, groups, TOKENS, SIZE)
    bias = noise(BATCH, TOKENS) * 10
    acting = torch.arange(TOKENS) >= acts_from
    causal = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    mask = causal.clone()[None, None].expand(BATCH, 1, -1, -1) if masked else None
    which = BiasedHeads.of(biased, groups * each, groups, torch.device("cpu"))
    feature = Feature(bias, float(bias.abs().max()), acting, SCALE)
    got = where_biased(Call(Attention(each), mask, 0.0, None, {}), query, key, value, which, feature)
    added = which.flags[:, :, None, None] * bias[:, None, None, :] * acting[:, None]
    torch.testing.assert_close(got.double(), written_out(query, key, value, added, causal), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("biased", "runs"),
    [
        ([[0]], ((0, 1, True), (1, 4, False))),
        ([[7]], ((0, 3, False), (3, 4, True))),
        ([[2, 3], [6], []], ((0, 1, False), (1, 2, True), (2, 3, False), (3, 4, True))),
        ([range(8)], ((0, 4, True),)),
    ],
)
def test_neighbouring_key_groups_go_together(
    biased: list[Sequence[int]], runs: tuple[tuple[int, int, bool], ...]
) -> None:
    assert BiasedHeads.of(biased, 8, 4, torch.device("cpu")).runs == runs
