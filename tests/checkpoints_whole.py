"""Recipes of the families that show the whole picture once: squashed, letterboxed, or at its own aspect."""

from __future__ import annotations

from typing import Any

from transformers import (
    DeepseekVLConfig,
    Gemma3Config,
    Gemma4Config,
    JanusConfig,
    Mistral3Config,
    PaliGemmaConfig,
    PreTrainedConfig,
)

from tests.checkpoint_parts import HALF, TEXT, VISION, Ids, Recipe, chat_template
from tests.checkpoints_llava import MISTRAL_CHAT, language, pixtral_pictures, pixtral_tower, siglip_tower

GEMMA_EMBEDDING = TEXT["hidden_size"] ** -0.5
GEMMA3_NAMES = {
    "image_token": "<image_soft_token>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
}
GEMMA4_NAMES = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}
JANUS_NAMES = {
    "image_token": "<image_placeholder>",
    "boi_token": "<begin_of_image>",
    "eoi_token": "<end_of_image>",
}
PALIGEMMA_TOKENS = (
    "<image>",
    *(f"<loc{i:04d}>" for i in range(1024)),
    *(f"<seg{i:03d}>" for i in range(128)),
)


def _gemma3(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    # A window shorter than the picture, so that the sliding layers differ from the full one.
    text = language(
        ids,
        vocabulary,
        "gemma3_text",
        "<eos>",
        "<pad>",
        bos_token_id=ids("<bos>"),
        query_pre_attn_scalar=16,
        sliding_window=100,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        tie_word_embeddings=True,
    )
    return Gemma3Config(
        text_config=text,
        vision_config=siglip_tower(896),
        mm_tokens_per_image=256,
        image_token_index=ids("<image_soft_token>"),
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
    )


def _gemma4(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    text = language(
        ids,
        vocabulary,
        "gemma4_text",
        "<eos>",
        "<pad>",
        bos_token_id=ids("<bos>"),
        num_hidden_layers=6,
        layer_types=["sliding_attention", "full_attention"] * 3,
        num_kv_shared_layers=2,
        global_head_dim=32,
        sliding_window=100,
        vocab_size_per_layer_input=vocabulary,
        hidden_size_per_layer_input=8,
        use_bidirectional_attention=None,
        tie_word_embeddings=True,
    )
    vision = {**VISION, "num_key_value_heads": 2, "head_dim": 16, "patch_size": 16, "pooling_kernel_size": 3}
    return Gemma4Config(
        text_config=text,
        vision_config=vision,
        audio_config=None,
        image_token_id=ids("<|image|>"),
        video_token_id=ids("<|video|>"),
        boi_token_id=ids("<|image>"),
        eoi_token_id=ids("<image|>"),
        audio_token_id=ids("<|audio|>"),
        boa_token_id=ids("<|audio>"),
        eoa_token_index=ids("<audio|>"),
    )


def _paligemma(**text: Any) -> Any:
    def config(ids: Ids, vocabulary: int) -> PreTrainedConfig:
        kind = {"model_type": "gemma", **text}
        return PaliGemmaConfig(
            text_config=language(
                ids, vocabulary, eos="<eos>", pad="<pad>", bos_token_id=ids("<bos>"), **kind
            ),
            vision_config=siglip_tower(224),
            image_token_index=ids("<image>"),
            vocab_size=vocabulary,
            projection_dim=64,
            hidden_size=64,
        )

    return config


# Caps so low, and a window so short, that a score or a key left alone would show.
GEMMA2 = {
    "model_type": "gemma2",
    "query_pre_attn_scalar": 16,
    "attn_logit_softcapping": 3.0,
    "sliding_window": 100,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
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


def _files(processor: str, picture: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "preprocessor_config.json": {"processor_class": processor, **picture},
        "processor_config.json": {"processor_class": processor, **settings},
    }


def _square(kind: str, size: int, resample: int, **more: Any) -> dict[str, Any]:
    return {
        "image_processor_type": kind,
        "size": {"height": size, "width": size},
        "resample": resample,
        **more,
    }


def _gemma3_recipe(pan_and_scan: bool | None) -> Recipe:
    picture = _square(
        "Gemma3ImageProcessor", 896, 2, do_pan_and_scan=pan_and_scan, image_seq_length=256, **HALF
    )
    return Recipe(
        config=_gemma3,
        eos="<eos>",
        pad="<pad>",
        bos="<bos>",
        tokens=("<start_of_turn>", "<end_of_turn>", *GEMMA3_NAMES.values()),
        template=chat_template(
            start="<bos>",
            user="<start_of_turn>user\n",
            assistant="<start_of_turn>model\n",
            image="<start_of_image>",
            end="<end_of_turn>\n",
        ),
        tokenizer={"extra_special_tokens": GEMMA3_NAMES},
        files=_files("Gemma3Processor", picture, image_seq_length=256),
        embedding=GEMMA_EMBEDDING,
    )


def _gemma4_files() -> dict[str, Any]:
    picture = {
        "image_processor_type": "Gemma4ImageProcessor",
        "patch_size": 16,
        "pooling_kernel_size": 3,
        "max_soft_tokens": 280,
        "image_seq_length": 280,
        "do_normalize": False,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
    }
    return {
        "processor_config.json": {
            "processor_class": "Gemma4Processor",
            "image_seq_length": 280,
            "image_processor": picture,
            "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
            "video_processor": {"video_processor_type": "Gemma4VideoProcessor"},
        }
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
        files=_files(processor, _square(kind, 384, 3, min_size=min_size, **HALF), num_image_tokens=576),
    )


def _paligemma_recipe(**text: Any) -> Recipe:
    return Recipe(
        config=_paligemma(**text),
        eos="<eos>",
        pad="<pad>",
        bos="<bos>",
        tokens=PALIGEMMA_TOKENS,
        template=None,
        files={
            "preprocessor_config.json": _square(
                "SiglipImageProcessor",
                224,
                3,
                processor_class="PaliGemmaProcessor",
                image_seq_length=256,
                **HALF,
            )
        },
        embedding=GEMMA_EMBEDDING,
    )


RECIPES = {
    "gemma3": _gemma3_recipe(None),
    "gemma3_pan_and_scan": _gemma3_recipe(True),
    "gemma4": Recipe(
        config=_gemma4,
        eos="<eos>",
        pad="<pad>",
        bos="<bos>",
        tokens=("<|turn>", "<turn|>", "<|video|>", *GEMMA4_NAMES.values()),
        template=chat_template(
            start="<bos>",
            user="<|turn>user\n",
            assistant="<|turn>model\n",
            image="<|image|>",
            end="<turn|>\n",
        ),
        template_file="chat_template.jinja",
        tokenizer={"extra_special_tokens": GEMMA4_NAMES},
        files=_gemma4_files(),
        gain=0.8,
        embedding=GEMMA_EMBEDDING,
    ),
    "paligemma": _paligemma_recipe(),
    "paligemma2": _paligemma_recipe(**GEMMA2),
    "mistral3": Recipe(
        config=_mistral3,
        eos="</s>",
        pad="<pad>",
        bos="<s>",
        tokens=("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
        template=MISTRAL_CHAT,
        template_file="chat_template.jinja",
        files=_files(
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
