"""Recipes that run through the LLaVA classes, whose geometry is that of their picture processor."""

from __future__ import annotations

from typing import Any

from transformers import LlavaConfig, LlavaNextConfig, LlavaOnevisionConfig, PreTrainedConfig

from tests.checkpoint_parts import CLIP, HALF, TEXT, VISION, Ids, Recipe, chat_template

PLACEHOLDER = "<image>"
VICUNA = chat_template(user="USER: ", assistant="ASSISTANT:", image="<image>\n", end=" ")
QWEN_CHAT = chat_template(
    user="<|im_start|>user ", assistant="<|im_start|>assistant\n", image="<image>\n", end="<|im_end|>"
)
MISTRAL_CHAT = chat_template(user="[INST]", assistant="", image="[IMG]", end="[/INST]", start="<s>")


def language(ids: Ids, vocabulary: int, model_type: str, eos: str, pad: str, **more: Any) -> dict[str, Any]:
    """A small decoder of a stock architecture."""
    return {
        **TEXT,
        "model_type": model_type,
        "vocab_size": vocabulary,
        "eos_token_id": ids(eos),
        "pad_token_id": ids(pad),
        **more,
    }


def clip_tower(size: int = 336, patch: int = 14) -> dict[str, Any]:
    """CLIP's vision tower: a class token, then patches."""
    return {**VISION, "model_type": "clip_vision_model", "image_size": size, "patch_size": patch}


def siglip_tower(size: int, patch: int = 14) -> dict[str, Any]:
    """SigLIP's vision tower: patches only."""
    return {
        **VISION,
        "model_type": "siglip_vision_model",
        "image_size": size,
        "patch_size": patch,
        "vision_use_head": False,
    }


def pixtral_tower(size: int, patch: int) -> dict[str, Any]:
    """Pixtral's vision tower: any aspect, rotary positions."""
    return {**VISION, "model_type": "pixtral", "image_size": size, "patch_size": patch, "head_dim": 16}


def _llava(strategy: str) -> Any:
    def config(ids: Ids, vocabulary: int) -> PreTrainedConfig:
        return LlavaConfig(
            text_config=language(ids, vocabulary, "llama", "</s>", "<pad>"),
            vision_config=clip_tower(),
            image_token_index=ids(PLACEHOLDER),
            image_seq_length=577 if strategy == "full" else 576,
            vision_feature_layer=-2,
            vision_feature_select_strategy=strategy,
        )

    return config


def _llava_pixtral(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return LlavaConfig(
        text_config=language(ids, vocabulary, "mistral", "</s>", "<pad>", sliding_window=None),
        vision_config=pixtral_tower(1024, 16),
        image_token_index=ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )


def _bunny(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = language(ids, vocabulary, "phi", "<|endoftext|>", "<pad>", partial_rotary_factor=0.5)
    text.pop("head_dim")
    return LlavaConfig(
        text_config=text,
        vision_config=siglip_tower(384),
        image_token_index=ids(PLACEHOLDER),
        image_seq_length=729,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )


def _gpt_oss(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    # Every expert is chosen: a choice that tips over would hide behind rounding.
    text = language(
        ids,
        vocabulary,
        "gpt_oss",
        "</s>",
        "<pad>",
        num_local_experts=2,
        num_experts_per_tok=2,
        sliding_window=100,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    return LlavaConfig(
        text_config=text,
        vision_config=siglip_tower(384),
        image_token_index=ids(PLACEHOLDER),
        image_seq_length=729,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )


def _llava_next(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    return LlavaNextConfig(
        text_config=language(ids, vocabulary, "llama", "</s>", "<pad>"),
        vision_config=clip_tower(),
        image_token_index=ids(PLACEHOLDER),
        image_grid_pinpoints=PINPOINTS,
    )


def _llava_onevision(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = language(ids, vocabulary, "qwen2", "<|im_end|>", "<|endoftext|>")
    text.pop("head_dim")
    return LlavaOnevisionConfig(
        text_config=text,
        vision_config=siglip_tower(384),
        image_token_index=ids(PLACEHOLDER),
        video_token_index=ids("<video>"),
        image_grid_pinpoints=ONEVISION_PINPOINTS,
        vision_aspect_ratio="anyres_max_9",
    )


PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
ONEVISION_PINPOINTS = [[384 * rows, 384 * columns] for rows in range(1, 7) for columns in range(1, 7)]


def _files(processor: str, picture: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "preprocessor_config.json": {"processor_class": processor, **picture},
        "processor_config.json": {"processor_class": processor, **settings},
    }


def _clip_pictures(kind: str = "CLIPImageProcessor", size: int = 336, **more: Any) -> dict[str, Any]:
    return {
        "image_processor_type": kind,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "size": {"shortest_edge": size},
        "resample": 3,
        **CLIP,
        **more,
    }


def pixtral_pictures(kind: str, longest: int, patch: int) -> dict[str, Any]:
    """The files of a Pixtral processor without its special tokens."""
    return {
        "image_processor_type": kind,
        "patch_size": {"height": patch, "width": patch},
        "size": {"longest_edge": longest},
        **CLIP,
    }


def _vicuna(config: Any, files: dict[str, Any], template: str = VICUNA) -> Recipe:
    return Recipe(
        config, eos="</s>", pad="<pad>", bos="<s>", tokens=(PLACEHOLDER,), template=template, files=files
    )


def _llava_files(strategy: str, picture: dict[str, Any]) -> dict[str, Any]:
    return _files(
        "LlavaProcessor",
        picture,
        image_token=PLACEHOLDER,
        num_additional_image_tokens=1,
        patch_size=14,
        vision_feature_select_strategy=strategy,
    )


def _siglip_files() -> dict[str, Any]:
    picture = {
        "image_processor_type": "SiglipImageProcessor",
        "size": {"height": 384, "width": 384},
        "resample": 3,
        **HALF,
    }
    return _files(
        "LlavaProcessor",
        picture,
        image_token=PLACEHOLDER,
        num_additional_image_tokens=0,
        patch_size=14,
        vision_feature_select_strategy="full",
    )


RECIPES = {
    "llava": _vicuna(_llava("default"), _llava_files("default", _clip_pictures())),
    "llava_full": _vicuna(_llava("full"), _llava_files("full", _clip_pictures())),
    "llava_pad": _vicuna(
        _llava("default"), _llava_files("default", _clip_pictures("LlavaImageProcessor", do_pad=True))
    ),
    "llava_pixtral": Recipe(
        config=_llava_pixtral,
        eos="</s>",
        pad="<pad>",
        bos="<s>",
        tokens=("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
        template=MISTRAL_CHAT,
        files=_files(
            "PixtralProcessor",
            pixtral_pictures("PixtralImageProcessor", 1024, 16),
            image_token="[IMG]",
            image_break_token="[IMG_BREAK]",
            image_end_token="[IMG_END]",
            patch_size=16,
        ),
    ),
    "llava_bunny": Recipe(
        config=_bunny,
        eos="<|endoftext|>",
        pad="<pad>",
        tokens=(PLACEHOLDER,),
        template=VICUNA,
        files=_siglip_files(),
    ),
    "llava_gpt_oss": _vicuna(_gpt_oss, _siglip_files()),
    "llava_next": _vicuna(
        _llava_next,
        _files(
            "LlavaNextProcessor",
            _clip_pictures("LlavaNextImageProcessor", image_grid_pinpoints=PINPOINTS),
            image_token=PLACEHOLDER,
            num_additional_image_tokens=1,
            patch_size=14,
            vision_feature_select_strategy="default",
        ),
    ),
    "llava_onevision": Recipe(
        config=_llava_onevision,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        tokens=("<|im_start|>", PLACEHOLDER, "<video>"),
        template=QWEN_CHAT,
        files=_files(
            "LlavaOnevisionProcessor",
            {
                "image_processor_type": "LlavaOnevisionImageProcessor",
                "size": {"height": 384, "width": 384},
                "image_grid_pinpoints": ONEVISION_PINPOINTS,
                "resample": 3,
                **HALF,
            },
            image_token=PLACEHOLDER,
            video_token="<video>",
            num_image_tokens=729,
            vision_feature_select_strategy="full",
            vision_aspect_ratio="anyres_max_9",
        ),
    ),
}
