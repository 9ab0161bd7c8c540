"""Recipes of the families whose picture processors exist for torchvision only."""

from __future__ import annotations

from typing import Any

from transformers import Cohere2VisionConfig, Lfm2VlConfig, Molmo2Config, PreTrainedConfig

from tests.checkpoint_parts import CLIP, HALF, TEXT, VISION, Ids, Recipe, chat_template
from tests.checkpoints_llava import language, siglip_tower

COHERE_NAMES = {
    "image_token": "<|IMG_PATCH|>",
    "boi_token": "<|START_OF_IMG|>",
    "eoi_token": "<|END_OF_IMG|>",
    "img_line_break_token": "<|IMG_LINE_BREAK|>",
}
COHERE_TURNS = ("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>")
LFM2_NAMES = {
    "image_token": "<image>",
    "image_start_token": "<|image_start|>",
    "image_end_token": "<|image_end|>",
    "image_thumbnail_token": "<|img_thumbnail|>",
}
LFM2_TILES = tuple(f"<|img_row_{r}_col_{c}|>" for r in range(1, 11) for c in range(1, 11))
MOLMO_TOKENS = (
    "<|im_start|>",
    "<|image|>",
    "<|video|>",
    "<im_patch>",
    "<im_col>",
    "<im_start>",
    "<low_res_im_start>",
    "<frame_start>",
    "<im_end>",
    "<frame_end>",
    "<im_low>",
)


def _cohere2_vision(ids: Ids, vocabulary: int) -> PreTrainedConfig:
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
    return Cohere2VisionConfig(
        text_config=text,
        vision_config=siglip_tower(512, 16),
        image_token_id=ids("<|IMG_PATCH|>"),
        alignment_intermediate_size=128,
    )


def _lfm2_vl(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = language(
        ids,
        vocabulary,
        "lfm2",
        "<|im_end|>",
        "<|pad|>",
        layer_types=["conv", "full_attention", "conv", "full_attention"],
        num_hidden_layers=4,
        block_auto_adjust_ff_dim=False,
    )
    text.pop("head_dim")
    text.update(tie_word_embeddings=True)
    vision = {
        **VISION,
        "model_type": "siglip2_vision_model",
        "patch_size": 16,
        "num_patches": 256,
        "vision_use_head": False,
    }
    return Lfm2VlConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<image>"),
        projector_hidden_size=64,
    )


def _molmo2(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    # The placeholders' ids belong to the added part of the vocabulary.
    text = {**TEXT, "vocab_size": vocabulary, "additional_vocab_size": 8, "pad_token_id": ids("<|pad|>")}
    adapter = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 64,
        "text_hidden_size": 64,
        "vision_feature_layer": [-1, -2],
    }
    return Molmo2Config(
        text_config=text,
        vision_config={**VISION, "num_key_value_heads": 2, "head_dim": 16},
        adapter_config=adapter,
        image_patch_id=ids("<im_patch>"),
        image_start_token_id=ids("<im_start>"),
        low_res_image_start_token_id=ids("<low_res_im_start>"),
        image_end_token_id=ids("<im_end>"),
        frame_start_token_id=ids("<frame_start>"),
        frame_end_token_id=ids("<frame_end>"),
    )


def _files(processor: str, picture: dict[str, Any], **settings: Any) -> dict[str, Any]:
    kind = processor.replace("Processor", "ImageProcessor")
    return {
        "preprocessor_config.json": {
            "processor_class": processor,
            "image_processor_type": kind,
            **picture,
        },
        "processor_config.json": {"processor_class": processor, **settings},
    }


RECIPES = {
    "cohere2_vision": Recipe(
        config=_cohere2_vision,
        eos="<|END_OF_TURN_TOKEN|>",
        pad="<PAD>",
        bos="<BOS_TOKEN>",
        tokens=(*COHERE_NAMES.values(), *COHERE_TURNS),
        template=chat_template(
            start="<BOS_TOKEN>",
            user="<|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
            assistant="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
            image="<|IMG_PATCH|>",
            end="<|END_OF_TURN_TOKEN|>",
        ),
        tokenizer={"extra_special_tokens": COHERE_NAMES},
        files=_files(
            "Cohere2VisionProcessor",
            {
                "size": {"height": 512, "width": 512},
                "crop_to_patches": True,
                "min_patches": 1,
                "max_patches": 12,
                "patch_size": 16,
                "resample": 3,
                **CLIP,
            },
        ),
        embedding=TEXT["hidden_size"] ** -0.5,
    ),
    "lfm2_vl": Recipe(
        config=_lfm2_vl,
        eos="<|im_end|>",
        pad="<|pad|>",
        bos="<|startoftext|>",
        tokens=("<|im_start|>", *LFM2_NAMES.values(), *LFM2_TILES),
        template=chat_template(
            start="<|startoftext|>",
            user="<|im_start|>user\n",
            assistant="<|im_start|>assistant\n",
            image="<image>",
            end="<|im_end|>\n",
        ),
        tokenizer={"extra_special_tokens": LFM2_NAMES},
        files=_files("Lfm2VlProcessor", {"resample": 2, **HALF}),
    ),
    "molmo2": Recipe(
        config=_molmo2,
        eos="<|im_end|>",
        pad="<|pad|>",
        tokens=MOLMO_TOKENS,
        template=chat_template(
            user="<|im_start|>user\n",
            assistant="<|im_start|>assistant\n",
            image="<|image|>",
            end="<|im_end|>\n",
        ),
        tokenizer={"extra_special_tokens": {"image_token": "<|image|>"}},
        files=_files(
            "Molmo2Processor",
            {"size": {"height": 378, "width": 378}, "patch_size": 14, "resample": 2, **HALF},
        ),
    ),
}
