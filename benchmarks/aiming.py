"""What the steering benchmarks steer with: heads, and key biases towards panels. Knows nothing of clocks."""

from __future__ import annotations

from collections.abc import Sequence

from gazecli.models.attention.bias import Scope, key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM, HeadPair
from gazecli.pictures.regions import Region


def one_head_a_layer(vlm: VLM) -> list[HeadPair]:
    """One head in every layer: the dearest way in which so many heads can be spread."""
    return [(layer, layer % heads) for layer, heads in vlm.heads_of.items()]


def bias_towards(
    vlm: VLM, layout: ImageLayout, targets: Sequence[Region | None], scope: Scope = "full"
) -> KeyBias:
    """The recipe's bias, a row for each target; None is an unsteered row."""
    heads = vlm.check_heads(one_head_a_layer(vlm))
    return key_bias(heads, layout, targets, 10.0, "boost-suppress", scope, vlm.device)
