"""The parts of a loaded model: vision tower, decoder, attention layers, and the image placeholder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from gazecli.errors import ModelError


def find_vision_tower(model: Any) -> Any:
    """The module that turns pixels into features, or None."""
    inner = getattr(model, "model", model)
    towers = (getattr(inner, name, None) for name in ("visual", "vision_tower", "vision_model"))
    return next((tower for tower in towers if tower is not None), None)


def find_placeholder(config: Any, family: str) -> int:
    """The id of the token that stands where image tokens go.

    Raises ModelError when the configuration names none.
    """
    for name in ("image_token_id", "image_token_index"):
        found = getattr(config, name, None)
        if isinstance(found, int):
            return found
    raise ModelError(
        "its configuration names no image token",
        subject=family,
        hint="gaze needs one placeholder in the prompt for each image token; see `gaze models`",
        code="model.unsupported",
    )


def find_decoder(model: Any, family: str) -> Any:
    """The text backbone: the module that holds the decoder layers.

    Raises ModelError when there is none.
    """
    candidates = [getattr(model, "get_decoder", lambda: None)()]
    inner = getattr(model, "model", model)
    candidates += [getattr(inner, name, None) for name in ("language_model", "text_model")]
    candidates += [getattr(candidate, "model", None) for candidate in candidates if candidate is not None]
    for candidate in candidates:
        if candidate is not None and hasattr(candidate, "layers"):
            return candidate
    raise ModelError(
        "no text backbone with decoder layers was found",
        subject=family,
        hint="gaze steers decoder-only language models; see `gaze models`",
        code="model.unsupported",
    )


def find_attention(decoder: Any, family: str) -> Mapping[int, nn.Module]:
    """Softmax attention modules by their layer index; layers without one have no heads.

    Raises ModelError when no layer has one.
    """
    found: dict[int, nn.Module] = {}
    for number, layer in enumerate(decoder.layers):
        module = getattr(layer, "self_attn", None)
        if module is not None:
            found[int(getattr(module, "layer_idx", number))] = module
    if not found:
        raise ModelError(
            "no layer has softmax attention",
            subject=family,
            code="model.unsupported",
            hint="choose another model: see `gaze models`",
        )
    return found


def count_heads(module: Any) -> int:
    """Query heads of one attention module."""
    for name in ("num_heads", "num_attention_heads"):
        count = getattr(module, name, None)
        if count is not None:
            return int(count)
    if hasattr(module, "q_proj") and hasattr(module, "head_dim"):
        width = int(module.q_proj.out_features) // int(module.head_dim)
        groups = getattr(module, "num_key_value_groups", None)
        keys = int(module.k_proj.out_features) // int(module.head_dim) if hasattr(module, "k_proj") else None
        return keys * int(groups) if groups is not None and keys is not None else width
    return int(module.config.num_attention_heads)
