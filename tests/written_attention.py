"""Attention of the language model written out, and the switch between attention functions.

Knows nothing of questions, regions or scopes; a bias is a matrix somebody else made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

Record = Callable[[int, Tensor, Tensor], None]


def attention_layers(model: nn.Module) -> dict[int, nn.Module]:
    """Softmax attention modules of the language model by layer index; hybrids have gaps."""
    found: dict[int, nn.Module] = {}
    for layer in model.get_decoder().layers:
        module = getattr(layer, "self_attn", None)
        if module is not None:
            found[int(module.layer_idx)] = module
    return found


def text_config(model: nn.Module) -> Any:
    """The configuration of the language model."""
    return model.get_decoder().config


@contextmanager
def attention_implementation(model: nn.Module, name: str) -> Iterator[None]:
    """Run the language model with the attention function `name`; the former one is put back afterwards."""
    config = text_config(model)
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        for module in attention_layers(model).values():
            assert module.config._attn_implementation == name, "the backbone reads another configuration"
        yield
    finally:
        config._attn_implementation = before


def score(
    query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None, softcap: float | None
) -> Tensor:
    """Pre-softmax scores q k^T * scaling, softcapped if the model does so, masked: float64 (1, H, L, L)."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = query.double() @ key.double().transpose(2, 3) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    assert mask is not None, "no mask reached the oracle, causality would be lost"
    return scores + mask.double()


def softmax_with_sinks(scores: Tensor, sinks: Tensor | None) -> Tensor:
    """e^score over the sum of all of them and of e^sink: (1, H, L, L), sinks (H,)."""
    if sinks is None:
        return scores.softmax(-1)
    everything = torch.logaddexp(scores.logsumexp(-1), sinks.double()[None, :, None])  # (1, H, L)
    return (scores - everything[..., None]).exp()


@contextmanager
def biased_attention(
    model: nn.Module, heads: Iterable[tuple[int, int]], bias: Tensor | None, record: Record | None = None
) -> Iterator[None]:
    """Attention written out: softmax(scores + bias) v, bias (L, L) in the chosen heads only, in float64.

    `record` is called with layer, weights (H, L, L) and values (H, L, D).
    """
    chosen = set(heads)

    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        **_ignored: Any,
    ) -> tuple[Tensor, Tensor]:
        layer, groups = int(module.layer_idx), query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, dim=1).double() for x in (key, value))
        scores = score(query, key, attention_mask, scaling, softcap)
        for head in range(query.shape[1]):
            if (layer, head) in chosen:
                scores[:, head] += bias.to(scores.device)
        weights = softmax_with_sinks(scores, s_aux)  # (1, H, L, L)
        if record is not None:
            record(layer, weights[0], value[0])
        output = (weights @ value).to(query.dtype)
        return output.transpose(1, 2).contiguous(), weights.to(query.dtype)

    AttentionInterface.register("oracle", attention)
    AttentionMaskInterface.register("oracle", eager_mask)
    with attention_implementation(model, "oracle"):
        yield
