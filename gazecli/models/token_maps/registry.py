"""Which token map belongs to which processor class."""

from __future__ import annotations

from gazecli.models.token_maps import anyres, tiles, whole_picture
from gazecli.models.token_maps.views import TokenMap

# Keyed on the processor class: one model type can come with several processors.
TOKEN_MAPS: dict[str, TokenMap] = {
    "AyaVisionProcessor": tiles.aya_vision,
    "Cohere2VisionProcessor": tiles.cohere2_vision,
    "DeepseekVLProcessor": whole_picture.letterboxed,
    "Gemma3Processor": whole_picture.pan_and_scan,
    "Gemma4Processor": whole_picture.positioned,
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
