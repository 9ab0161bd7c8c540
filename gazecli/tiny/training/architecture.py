"""The untrained small model: its sizes, its tokenizer and its picture processor.

Everything is a stock Qwen2-VL part, so that the saved folder loads like any checkpoint.
"""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    GenerationConfig,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gazecli.tiny.scenes import draw_scene
from gazecli.tiny.training import questions

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 1024
# Six square panels come out as 12 x 2 image tokens, up to an aspect of 6.16; three as 9 x 3.
MAX_PIXELS = 21500
MIN_PIXELS = 56 * 56


@dataclass(frozen=True)
class Sizes:
    """How large a small model is; the defaults are those of `tiny`.

    hidden, intermediate: widths of the language model. vision: width of the vision tower. rotary: how many
    pairs of a head's width turn with the frame, the row and the column of a token. base: of their speeds.
    """

    hidden: int = 192
    intermediate: int = 512
    layers: int = 4
    heads: int = 8
    vision: int = 128
    vision_layers: int = 3
    # A dozen columns must differ: a short base, and most of the frequencies for the width.
    rotary: tuple[int, int, int] = (2, 2, 8)
    base: float = 100.0


TINY = Sizes()

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' -}}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- elif part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


def build_tokenizer(seed: int) -> Qwen2Tokenizer:
    """Learn a byte-level BPE vocabulary from the wordings and captions of the small world."""
    rng = random.Random(seed)
    bpe = Tokenizer(BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(_sample_text(rng), trainer)
    vocabulary = bpe.get_vocab()
    merges: Any = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    return Qwen2Tokenizer(
        vocab=dict(vocabulary),
        merges=merges,
        unk_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        chat_template=CHAT_TEMPLATE,
        model_max_length=4096,
    )


def _sample_text(rng: random.Random) -> list[str]:
    lines = []
    for _ in range(4000):
        caption = draw_scene(rng).caption
        k = rng.randint(1, 6)
        lines += [
            questions.panel_question(rng, k, rng.randint(k, 6)),
            caption,
            f"Panel {k}: {caption} {caption}",
            questions.static_question(rng),
            questions.in_order_request(rng),
            questions.any_order_request(rng),
            "user\nassistant\nsystem\n",
        ]
    return lines


def build_picture_processor(max_pixels: int = MAX_PIXELS) -> Qwen2VLImageProcessorPil:
    """Qwen2-VL's own picture processor with a small pixel budget."""
    return Qwen2VLImageProcessorPil(min_pixels=MIN_PIXELS, max_pixels=max_pixels)


def build_model(tokenizer: Qwen2Tokenizer, seed: int, sizes: Sizes = TINY) -> Qwen2VLForConditionalGeneration:
    """A Qwen2-VL of `sizes` with random weights; the same seed gives the same weights."""

    def token(text: str) -> int:
        index = tokenizer.convert_tokens_to_ids(text)
        assert isinstance(index, int)
        return index

    config = Qwen2VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.heads // 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": sizes.base,
                "mrope_section": list(sizes.rotary),
            },
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": sizes.vision_layers,
            "embed_dim": sizes.vision,
            "hidden_size": sizes.hidden,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=token("<|im_end|>"),
        pad_token_id=token("<|endoftext|>"),
        max_length=1024,
    )
    return model


def hidden_width(model: Qwen2VLForConditionalGeneration) -> int:
    """The width of an image token, and of the language model."""
    return int(model.lm_head.in_features)


def save_checkpoint(
    folder: Path,
    model: Qwen2VLForConditionalGeneration,
    tokenizer: Qwen2Tokenizer,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Write an ordinary checkpoint folder with half-precision weights."""
    folder.mkdir(parents=True, exist_ok=True)
    half: Any = copy.deepcopy(model)
    half.half()
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = build_picture_processor(max_pixels)
    processor.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
