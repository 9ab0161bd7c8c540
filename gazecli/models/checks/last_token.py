"""The last token of a pass, read in three ways: in one pass, from eager attention, and behind a cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gazecli.errors import CheckFailed
from gazecli.models.attention.kv_cache import as_argument, empty_cache
from gazecli.models.attention.watchers import RowKeeper
from gazecli.models.vlm import VLM

RowsByLayer = dict[int, torch.Tensor]
_UNCACHED = {"use_cache": False, "logits_to_keep": torch.tensor([-1])}


@dataclass(frozen=True)
class Last:
    """What a pass knows of its last token: every head's row {layer: (H, K)}, and the logits (V,) after it."""

    rows: RowsByLayer
    logits: torch.Tensor


@torch.inference_mode()
def in_one_pass(vlm: VLM, inputs: Mapping[str, Any]) -> Last:
    """The last token of these inputs, computed without a cache."""
    vlm.forget_positions()
    return _watched(vlm, inputs["input_ids"].shape[1], inputs, **_UNCACHED)


@torch.inference_mode()
def behind_a_cache(vlm: VLM, inputs: Mapping[str, Any]) -> tuple[int, Last]:
    """The token that is written after these inputs, and what is known of it when it is run alone behind them.

    Prompt and token are run as `inference.generate` runs them.
    """
    prompt = {name: part for name, part in inputs.items() if name != "attention_mask"}
    length = prompt["input_ids"].shape[1]
    kept = {**as_argument(vlm.model, empty_cache(vlm.decoder)), "use_cache": True, "logits_to_keep": 1}
    vlm.forget_positions()
    token = _ordinary(vlm, _watched(vlm, length, prompt, **kept).logits)
    alone = {"input_ids": torch.tensor([[token]], device=vlm.device)}
    return token, _watched(vlm, length + 1, alone, **kept)


@torch.inference_mode()
def from_eager_attention(vlm: VLM, inputs: Mapping[str, Any]) -> RowsByLayer:
    """The last token's rows, as the model's own eager attention hands them out.

    Raises CheckFailed where it hands out none.
    """
    rows: RowsByLayer = {}

    def keep(layer: int) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if not isinstance(output, tuple) or not torch.is_tensor(output[1]):
                raise CheckFailed(
                    "its eager attention hands out no weights to compare with",
                    subject=vlm.name,
                    hint="the other checks still hold",
                )
            rows[layer] = output[1][0, :, -1].float().cpu()  # (1, H, L, L) -> (H, L)

        return hook

    config = vlm.decoder.config
    before = config._attn_implementation
    handles = [module.register_forward_hook(keep(layer)) for layer, module in vlm.attention.items()]
    config._attn_implementation = "eager"
    vlm.forget_positions()
    try:
        vlm.model(**inputs, **_UNCACHED)
    finally:
        config._attn_implementation = before
        for handle in handles:
            handle.remove()
    return rows


def _watched(vlm: VLM, keys: int, inputs: Mapping[str, Any], **options: Any) -> Last:
    """One pass that attends to `keys` keys."""
    keeper = RowKeeper({layer: range(heads) for layer, heads in vlm.heads_of.items()}, keys)
    with vlm.watching(keeper):
        output: Any = vlm.model(**inputs, **options)
    [kept] = keeper.fetched()
    rows = {layer: heads[0] for layer, heads in kept.items()}  # (1, H, K) -> (H, K)
    return Last(rows, output.logits[0, -1].float().cpu())


def _ordinary(vlm: VLM, logits: torch.Tensor) -> int:
    """The likeliest token that means itself: one pass over all would take a placeholder for a picture."""
    barred = {vlm.preparation.placeholder, *vlm.tokenizer.all_special_ids}
    allowed = logits.clone()
    allowed[[token for token in barred if token < len(logits)]] = float("-inf")
    return int(allowed.argmax())
