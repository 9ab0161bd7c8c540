"""Recipes of the families that cut a picture into tiles and add a view of the whole."""

from __future__ import annotations

from typing import Any

from transformers import (
    AyaVisionConfig,
    Idefics3Config,
    InternVLConfig,
    Ovis2Config,
    PreTrainedConfig,
    SmolVLMConfig,
)

from tests.checkpoint_parts import CLIP, HALF, IMAGENET, TEXT, VISION, Ids, Recipe, chat_template
from tests.checkpoints_llava import language, siglip_tower

IM_START, IM_END = "<|im_start|>", "<|im_end|>"
OVIS_INDICATORS = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
TILE_TAGS = tuple(f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7))
IDEFICS_TOKENS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *TILE_TAGS)
AYA_TOKENS = (
    "<image>",
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|START_OF_IMG|>",
    "<|END_OF_IMG|>",
    "<|IMG_PATCH|>",
    "<|IMG_LINE_BREAK|>",
    "TILE",
    "TILE_GLOBAL",
    *(f"TILE_{i}" for i in range(1, 13)),
)


def _qwen2(ids: Ids, vocabulary: int) -> dict[str, Any]:
    text = language(ids, vocabulary, "qwen2", IM_END, "<|endoftext|>")
    text.pop("head_dim")
    return text


def _internvl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return InternVLConfig(
        text_config=_qwen2(ids, vocabulary),
        vision_config={**VISION, "image_size": [448, 448], "patch_size": [14, 14]},
        image_token_id=ids("<IMG_CONTEXT>"),
        tie_word_embeddings=False,
    )


def _ovis2(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return Ovis2Config(
        text_config=_qwen2(ids, vocabulary),
        vision_config={
            **VISION,
            "image_size": 448,
            "patch_size": 14,
            "hidden_stride": 2,
            "vocab_size": 64,
            "num_visual_indicator_tokens": 5,
        },
        image_token_id=ids("<IMG_ATOM>"),
        visual_indicator_token_ids=[ids(token) for token in OVIS_INDICATORS],
        vocab_size=vocabulary,
        hidden_size=64,
        tie_word_embeddings=False,
    )


def _idefics3(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return Idefics3Config(
        text_config=language(ids, vocabulary, "llama", "<end_of_utterance>", "<pad>"),
        vision_config={**VISION, "image_size": 364, "patch_size": 14},
        image_token_id=ids("<image>"),
        scale_factor=2,
        pad_token_id=ids("<pad>"),
    )


def _smolvlm(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return SmolVLMConfig(
        text_config=language(ids, vocabulary, "llama", "<end_of_utterance>", "<pad>"),
        vision_config={**VISION, "image_size": 512, "patch_size": 16},
        image_token_id=ids("<image>"),
        scale_factor=4,
        pad_token_id=ids("<pad>"),
    )


def _aya_vision(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    # A window shorter than one tile, so that the sliding layers differ from the full one.
    text = language(
        ids,
        vocabulary,
        "cohere2",
        "<|END_OF_TURN_TOKEN|>",
        "<PAD>",
        bos_token_id=ids("<BOS_TOKEN>"),
        sliding_window=100,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        logit_scale=1.0,
    )
    text.update(tie_word_embeddings=True)
    return AyaVisionConfig(
        text_config=text,
        vision_config=siglip_tower(364),
        image_token_index=ids("<|IMG_PATCH|>"),
        downsample_factor=2,
    )


def _files(processor: str, picture: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "preprocessor_config.json": {"processor_class": processor, **picture},
        "processor_config.json": {"processor_class": processor, **settings},
    }


def _tiles(kind: str, size: int, most: int, **more: Any) -> dict[str, Any]:
    return {
        "image_processor_type": kind,
        "size": {"height": size, "width": size},
        "min_patches": 1,
        "max_patches": most,
        "resample": 3,
        **more,
    }


def _split(kind: str, tile: int) -> dict[str, Any]:
    return {
        "image_processor_type": kind,
        "do_image_splitting": True,
        "do_pad": True,
        "max_image_size": {"longest_edge": tile},
        "size": {"longest_edge": 4 * tile},
        "resample": 1,
        **HALF,
    }


def _idefics(config: Any, processor: str, tile: int, tokens: int) -> Recipe:
    kind = processor.replace("Processor", "ImageProcessor")
    return Recipe(
        config=config,
        eos="<end_of_utterance>",
        pad="<pad>",
        bos="<|begin_of_text|>",
        tokens=IDEFICS_TOKENS,
        template=chat_template(
            start="<|begin_of_text|>",
            user="User:",
            assistant="Assistant:",
            image="<image>",
            end="<end_of_utterance>\n",
        ),
        files=_files(processor, _split(kind, tile), image_seq_len=tokens),
    )


_INTERN_NAMES = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}


def _chatml(image: str) -> str:
    return chat_template(
        user="<|im_start|>user\n",
        assistant="<|im_start|>assistant\n",
        system="<|im_start|>system\n",
        image=image,
        end="<|im_end|>\n",
    )


RECIPES = {
    "internvl": Recipe(
        config=_internvl,
        eos=IM_END,
        pad="<|endoftext|>",
        tokens=(IM_START, *_INTERN_NAMES.values()),
        template=_chatml("<IMG_CONTEXT>\n"),
        template_file="chat_template.jinja",
        tokenizer={"extra_special_tokens": _INTERN_NAMES},
        files=_files(
            "InternVLProcessor",
            _tiles("GotOcr2ImageProcessorFast", 448, 12, crop_to_patches=False, **IMAGENET),
            image_seq_length=256,
        ),
    ),
    "ovis2": Recipe(
        config=_ovis2,
        eos=IM_END,
        pad="<|endoftext|>",
        tokens=(IM_START, "<image>", "<IMG_ATOM>", *OVIS_INDICATORS),
        template=_chatml("<image>\n"),
        files=_files(
            "Ovis2Processor",
            _tiles("Ovis2ImageProcessor", 448, 9, crop_to_patches=True, use_covering_area_grid=True, **CLIP),
            image_seq_length=256,
            image_token="<image>",
        ),
    ),
    "idefics3": _idefics(_idefics3, "Idefics3Processor", 364, 169),
    "smolvlm": _idefics(_smolvlm, "SmolVLMProcessor", 512, 64),
    "aya_vision": Recipe(
        config=_aya_vision,
        eos="<|END_OF_TURN_TOKEN|>",
        pad="<PAD>",
        bos="<BOS_TOKEN>",
        tokens=AYA_TOKENS,
        template=chat_template(
            start="<BOS_TOKEN>",
            user="<|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
            assistant="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
            image="<image>",
            end="<|END_OF_TURN_TOKEN|>",
        ),
        files=_files(
            "AyaVisionProcessor",
            _tiles("GotOcr2ImageProcessor", 364, 12, crop_to_patches=True, **HALF),
            patch_size=14,
            img_size=364,
            downsample_factor=2,
            image_token="<image>",
        ),
        embedding=TEXT["hidden_size"] ** -0.5,
    ),
}
