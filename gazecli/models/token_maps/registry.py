"""Which token map belongs to which processor class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gazecli.errors import ModelError
from gazecli.models.token_maps.anyres import llava_next, llava_onevision
from gazecli.models.token_maps.tiles import (
    aya_vision,
    cohere2_vision,
    idefics,
    internvl,
    lfm2_vl,
    molmo2,
    ovis2,
)
from gazecli.models.token_maps.views import Blind, Size, View
from gazecli.models.token_maps.whole_picture import (
    letterboxed,
    llava,
    pan_and_scan,
    patch_grid,
    pixtral,
    positioned,
    squashed,
)

TokenMap = Callable[[Any, Any, int, Size], list[View | Blind]]

# Keyed on the processor class: one model type can come with several processors.
TOKEN_MAPS: dict[str, TokenMap] = {
    "AyaVisionProcessor": aya_vision,
    "Cohere2VisionProcessor": cohere2_vision,
    "DeepseekVLProcessor": letterboxed,
    "Gemma3Processor": pan_and_scan,
    "Gemma4Processor": positioned,
    "Glm4vProcessor": patch_grid,
    "Idefics3Processor": idefics,
    "InternVLProcessor": internvl,
    "JanusProcessor": letterboxed,
    "Lfm2VlProcessor": lfm2_vl,
    "LlavaNextProcessor": llava_next,
    "LlavaOnevisionProcessor": llava_onevision,
    "LlavaProcessor": llava,
    "Molmo2Processor": molmo2,
    "Ovis2Processor": ovis2,
    "PaliGemmaProcessor": squashed,
    "PixtralProcessor": pixtral,
    "Qwen2VLProcessor": patch_grid,
    "Qwen2_5_VLProcessor": patch_grid,
    "Qwen3VLProcessor": patch_grid,
    "SmolVLMProcessor": idefics,
}


def token_map_for(processor: Any, family: str) -> TokenMap:
    """The token map of a processor, or of the known class it is derived from.

    Raises ModelError when there is none.
    """
    for kind in type(processor).__mro__:
        if kind.__name__ in TOKEN_MAPS:
            return TOKEN_MAPS[kind.__name__]
    raise ModelError(
        f"no token map is known for its processor {type(processor).__name__}",
        subject=family,
        hint=f"supported processors: {', '.join(sorted(TOKEN_MAPS))}",
        code="model.unsupported",
    )
