"""Which token map, and which bound on image tokens, belongs to which processor class."""

from __future__ import annotations

from typing import Any

from gazecli.errors import ModelError
from gazecli.models.token_maps import anyres, bounds, tiles, whole_picture
from gazecli.models.token_maps.bounds import Showings, fixed, smaller_picture, stepped
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

# Keyed alike: how a picture is shown in fewer tokens.
BOUNDS: dict[str, Showings] = {
    "AyaVisionProcessor": stepped(tiles.aya_vision, bounds.fewer_tiles),
    "Cohere2VisionProcessor": stepped(tiles.cohere2_vision, bounds.fewer_tiles),
    "DeepseekVLProcessor": fixed(whole_picture.letterboxed),
    "Gemma3Processor": stepped(whole_picture.pan_and_scan, bounds.no_pan_and_scan),
    "Gemma4Processor": bounds.positioned,
    "Glm46VProcessor": bounds.patch_grid_of_frames,
    "Glm4vProcessor": bounds.patch_grid_of_frames,
    "Idefics3Processor": stepped(tiles.idefics, bounds.shorter_edge),
    "InternVLProcessor": stepped(tiles.internvl, bounds.fewer_tiles),
    "JanusProcessor": fixed(whole_picture.letterboxed),
    "Lfm2VlProcessor": stepped(tiles.lfm2_vl, bounds.without_tiles),
    "LlavaNextProcessor": smaller_picture(anyres.llava_next),
    "LlavaOnevisionProcessor": smaller_picture(anyres.llava_onevision),
    "LlavaProcessor": fixed(whole_picture.llava),
    "Molmo2Processor": stepped(tiles.molmo2, bounds.fewer_crops),
    "Ovis2Processor": stepped(tiles.ovis2, bounds.fewer_tiles),
    "PaliGemmaProcessor": fixed(whole_picture.squashed),
    "PixtralProcessor": bounds.pixtral,
    "Qwen2VLProcessor": bounds.patch_grid,
    "Qwen2_5_VLProcessor": bounds.patch_grid,
    "Qwen3VLProcessor": bounds.patch_grid,
    "SmolVLMProcessor": stepped(tiles.idefics, bounds.shorter_edge),
}


def token_map_of(processor: Any, family: str) -> TokenMap:
    """The token map of a processor's class, or of one it is derived from.

    Raises ModelError where none is known.
    """
    return TOKEN_MAPS[_known(processor, family)]


def showings_of(processor: Any, family: str) -> Showings:
    """How pictures are shown in fewer tokens; raises as `token_map_of`."""
    return BOUNDS[_known(processor, family)]


def _known(processor: Any, family: str) -> str:
    names = [kind.__name__ for kind in type(processor).__mro__]
    known = next((name for name in names if name in TOKEN_MAPS), None)
    if known is None:
        raise ModelError(
            f"no token map is known for its processor {names[0]}",
            subject=family,
            hint=f"supported processors: {', '.join(sorted(TOKEN_MAPS))}",
            code="model.unsupported",
        )
    return known
