"""Which token map belongs to which processor class."""

from __future__ import annotations

from typing import Any

from gazecli.errors import ModelError
from gazecli.models.token_maps import anyres, tiles, whole_picture
from gazecli.models.token_maps.views import TokenMap

# Keyed on the processor class: one model type can come with several processors.
TOKEN_MAPS: dict[str, TokenMap] = {
    "AyaVisionProcessor": tiles.aya_vision,
    "Cohere2VisionProcessor": tiles.cohere2_vision,
    "DeepseekVLProcessor": whole_picture.letterboxed,
    "Gemma3Processor": whole_picture.pan_and_scan,
    "Gemma4Processor": whole_picture.positioned,
    "Glm46VProcessor": whole_picture.patch_grid,
    "Glm4vProcessor": whole_picture.patch_grid,
    "Idefics3Processor": tiles.idefics,
    "InternVLProcessor": tiles.internvl,
    "JanusProcessor": whole_picture.letterboxed,
    "Lfm2VlProcessor": tiles.lfm2_vl,
    "LlavaNextProcessor": anyres.llava_next,
    "LlavaOnevisionProcessor": anyres.llava_onevision,
    "LlavaProcessor": whole_picture.llava,
    "Molmo2Processor": tiles.molmo2,
    "Ovis2Processor": tiles.ovis2,
    "PaliGemmaProcessor": whole_picture.squashed,
    "PixtralProcessor": whole_picture.pixtral,
    "Qwen2VLProcessor": whole_picture.patch_grid,
    "Qwen2_5_VLProcessor": whole_picture.patch_grid,
    "Qwen3VLProcessor": whole_picture.patch_grid,
    "SmolVLMProcessor": tiles.idefics,
}


def token_map_of(processor: Any, family: str) -> TokenMap:
    """The token map of a processor's class, or of one it is derived from.

    Raises ModelError where none is known.
    """
    names = [kind.__name__ for kind in type(processor).__mro__]
    known = next((name for name in names if name in TOKEN_MAPS), None)
    if known is None:
        raise ModelError(
            f"no token map is known for its processor {names[0]}",
            subject=family,
            hint=f"supported processors: {', '.join(sorted(TOKEN_MAPS))}",
            code="model.unsupported",
        )
    return TOKEN_MAPS[known]
