"""Recipes of the families that show the whole picture once: squashed, letterboxed, or at its own aspect."""

from __future__ import annotations

from typing import Any

from transformers import DeepseekVLConfig, JanusConfig, Mistral3Config, PreTrainedConfig

from tests.checkpoint_parts import HALF, VISION, Ids, Recipe, chat_template
from tests.checkpoints_llava import MISTRAL_CHAT, language, pixtral_pictures, pixtral_tower, siglip_tower

JANUS_NAMES = {
    "image_token": "<image_placeholder>",
    "boi_token": "<begin_of_image>",
    "eoi_token": "<end_of_image>",
}


def _mistral3(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return Mistral3Config(
        text_config=language(ids, vocabulary, "mistral", "</s>", "<pad>", sliding_window=None),
        vision_config=pixtral_tower(1540, 14),
        image_token_index=ids("[IMG]"),
        spatial_merge_size=2,
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )


def _deepseek_vl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return DeepseekVLConfig(
        text_config=language(ids, vocabulary, "llama", "<eos>", "<pad>"),
        vision_config=siglip_tower(384, 16),
        image_token_id=ids("<image_placeholder>"),
        tie_word_embeddings=False,
    )


def _janus(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return JanusConfig(
        text_config=language(ids, vocabulary, "llama", "<eos>", "<pad>"),
        vision_config={**VISION, "image_size": 384, "patch_size": 16, "mlp_ratio": 2.0, "projection_dim": 64},
        vq_config={
            "embed_dim": 4,
            "num_embeddings": 16,
            "latent_channels": 32,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "projection_dim": 64,
            "image_token_embed_dim": 64,
        },
        image_token_id=ids("<image_placeholder>"),
        tie_word_embeddings=False,
    )


def processor_files(processor: str, picture: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The two files of a processor."""
    return {
        "preprocessor_config.json": {"processor_class": processor, **picture},
        "processor_config.json": {"processor_class": processor, **settings},
    }


def square(kind: str, size: int, resample: int, **more: Any) -> dict[str, Any]:
    """The settings of a picture processor that makes squares."""
    return {
        "image_processor_type": kind,
        "size": {"height": size, "width": size},
        "resample": resample,
        **more,
    }


def _deepseek_recipe(config: Any, processor: str, names: dict[str, str], min_size: int) -> Recipe:
    kind = processor.replace("Processor", "ImageProcessor")
    return Recipe(
        config=config,
        eos="<eos>",
        pad="<pad>",
        bos="<bos>",
        tokens=tuple(names.values()),
        template=chat_template(
            start="<bos>", user="User: ", assistant="Assistant:", image="<image_placeholder>", end="\n\n"
        ),
        tokenizer={"extra_special_tokens": names},
        files=processor_files(
            processor, square(kind, 384, 3, min_size=min_size, **HALF), num_image_tokens=576
        ),
    )


RECIPES = {
    "mistral3": Recipe(
        config=_mistral3,
        eos="</s>",
        pad="<pad>",
        bos="<s>",
        tokens=("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
        template=MISTRAL_CHAT,
        template_file="chat_template.jinja",
        files=processor_files(
            "PixtralProcessor",
            pixtral_pictures("PixtralImageProcessorFast", 1540, 14),
            image_token="[IMG]",
            image_break_token="[IMG_BREAK]",
            image_end_token="[IMG_END]",
            patch_size=14,
            spatial_merge_size=2,
        ),
    ),
    "deepseek_vl": _deepseek_recipe(
        _deepseek_vl, "DeepseekVLProcessor", {"image_token": "<image_placeholder>"}, 14
    ),
    "janus": _deepseek_recipe(_janus, "JanusProcessor", JANUS_NAMES, 14),
}
