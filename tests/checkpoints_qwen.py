"""Recipes of the families whose pictures keep their aspect in a grid of merged patches: Qwen, GLM-4V."""

from __future__ import annotations

from typing import Any

from transformers import (
    Glm4vConfig,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3_5Config,
    Qwen3VLConfig,
)

from tests.checkpoint_parts import CLIP, HALF, TEXT, Ids, Recipe, chat_template

QWEN_TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
QWEN_TEMPLATE = chat_template(
    user="<|im_start|>user\n",
    assistant="<|im_start|>assistant\n",
    system="<|im_start|>system\n",
    image="<|vision_start|><|image_pad|><|vision_end|>",
    end="<|im_end|>\n",
)
GLM_TOKENS = (
    "[gMASK]",
    "<sop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|image|>",
    "<|video|>",
)


def _qwen_ids(ids: Ids) -> dict[str, int]:
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def _qwen_text(ids: Ids, vocabulary: int, **more: Any) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    return {
        **TEXT,
        "vocab_size": vocabulary,
        "rope_parameters": rope,
        "bos_token_id": ids("<|endoftext|>"),
        "eos_token_id": ids("<|im_end|>"),
        "pad_token_id": ids("<|endoftext|>"),
        **more,
    }


def _qwen2_vl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = _qwen_text(ids, vocabulary)
    text.pop("head_dim")
    vision = {
        "depth": 2,
        "embed_dim": 32,
        "hidden_size": 64,
        "num_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 14,
    }
    return Qwen2VLConfig(text_config=text, vision_config=vision, **_qwen_ids(ids))


def _qwen2_5_vl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = _qwen_text(ids, vocabulary)
    text.pop("head_dim")
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 14,
        "out_hidden_size": 64,
        "fullatt_block_indexes": [1],
    }
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, **_qwen_ids(ids))


def _qwen3_vision(deepstack: list[int]) -> dict[str, Any]:
    return {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 64,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": deepstack,
    }


def _qwen3_vl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = _qwen_text(ids, vocabulary)
    text["rope_parameters"] = {**text["rope_parameters"], "mrope_interleaved": True}
    return Qwen3VLConfig(text_config=text, vision_config=_qwen3_vision([0, 1]), **_qwen_ids(ids))


def _qwen3_5(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = _qwen_text(
        ids,
        vocabulary,
        num_hidden_layers=4,
        layer_types=["linear_attention", "full_attention"] * 2,
        linear_key_head_dim=16,
        linear_value_head_dim=16,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
    )
    rope = {**text["rope_parameters"], "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    text["rope_parameters"] = rope
    vision = _qwen3_vision([])
    vision.pop("deepstack_visual_indexes")
    return Qwen3_5Config(text_config=text, vision_config=vision, **_qwen_ids(ids))


def _glm4v(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 1, 1],
        "partial_rotary_factor": 0.5,
    }
    text = {
        **TEXT,
        "vocab_size": vocabulary,
        "rope_parameters": rope,
        "eos_token_id": ids("<|user|>"),
        "pad_token_id": ids("<|endoftext|>"),
    }
    text.pop("head_dim")
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "image_size": 336,
        "out_hidden_size": 64,
    }
    return Glm4vConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image|>"),
        video_token_id=ids("<|video|>"),
        image_start_token_id=ids("<|begin_of_image|>"),
        image_end_token_id=ids("<|end_of_image|>"),
        video_start_token_id=ids("<|begin_of_video|>"),
        video_end_token_id=ids("<|end_of_video|>"),
    )


def _qwen_files(processor: str, image_processor: str, **settings: Any) -> dict[str, Any]:
    picture = {
        "image_processor_type": image_processor,
        "processor_class": processor,
        "temporal_patch_size": 2,
        "merge_size": 2,
        **settings,
    }
    return {"preprocessor_config.json": picture}


def _qwen3_files() -> dict[str, Any]:
    shared = {"patch_size": 16, **HALF}
    files = _qwen_files(
        "Qwen3VLProcessor",
        "Qwen2VLImageProcessorFast",
        size={"longest_edge": 16777216, "shortest_edge": 65536},
        **shared,
    )
    files["video_preprocessor_config.json"] = {
        **files["preprocessor_config.json"],
        "size": {"longest_edge": 25165824, "shortest_edge": 4096},
        "video_processor_type": "Qwen3VLVideoProcessor",
    }
    return files


def _qwen(config: Any, files: dict[str, Any], **more: Any) -> Recipe:
    return Recipe(
        config=config,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        tokens=QWEN_TOKENS,
        template=QWEN_TEMPLATE,
        files=files,
        tokenizer={"tokenizer_class": "Qwen2Tokenizer", "additional_special_tokens": list(QWEN_TOKENS)},
        **more,
    )


_BUDGET = {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, **CLIP}

RECIPES = {
    "qwen2_vl": _qwen(_qwen2_vl, _qwen_files("Qwen2VLProcessor", "Qwen2VLImageProcessor", **_BUDGET)),
    "qwen2_5_vl": _qwen(_qwen2_5_vl, _qwen_files("Qwen2_5_VLProcessor", "Qwen2VLImageProcessor", **_BUDGET)),
    "qwen3_vl": _qwen(_qwen3_vl, _qwen3_files()),
    "qwen3_5": _qwen(_qwen3_5, _qwen3_files(), template_file="chat_template.jinja"),
    "glm4v": Recipe(
        config=_glm4v,
        eos="<|user|>",
        pad="<|endoftext|>",
        tokens=GLM_TOKENS,
        template=chat_template(
            start="[gMASK]<sop>",
            system="<|system|>\n",
            user="<|user|>\n",
            assistant="<|assistant|>\n",
            image="<|begin_of_image|><|image|><|end_of_image|>",
            end="",
        ),
        template_file="chat_template.jinja",
        files=_qwen_files(
            "Glm4vProcessor",
            "Glm4vImageProcessor",
            size={"shortest_edge": 12544, "longest_edge": 9633792},
            patch_size=14,
            **CLIP,
        ),
    ),
}
