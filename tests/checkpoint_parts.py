"""What every random checkpoint is made of: a tokenizer, seeded weights, files laid out as on the Hub.

Knows no family; a family is a `Recipe` handed to `write_checkpoint`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import nn
from transformers import AutoModelForImageTextToText, PreTrainedConfig

Ids = Callable[[str], int]

SENTENCES = (
    "Look carefully at this six-panel comic strip. What is happening in the first panel from the left?",
    "What is happening in the second, third, fourth, fifth or sixth panel from the left? Answer briefly.",
    "What is the main action or event happening in this comic strip? Answer briefly.",
    "Please describe what happens in each panel, in order. What is happening in this panel?",
    "user\nassistant\nsystem\nmodel\nUSER: ASSISTANT: ### Human: You are a helpful assistant.",
)
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


@dataclass(frozen=True)
class Recipe:
    """One family: its special tokens, its configuration, and the files beside the weights."""

    config: Callable[[Ids, int], PreTrainedConfig]  # (token -> id, vocabulary size)
    eos: str
    pad: str
    tokens: tuple[str, ...]  # further special tokens
    template: str | None
    files: dict[str, Any]  # file name -> JSON document
    bos: str | None = None
    tokenizer: dict[str, Any] = field(default_factory=dict)  # further entries of tokenizer_config.json
    template_file: str = "chat_template.json"
    gain: float = 1.6  # of queries and keys
    embedding: float = 1.0  # size of a token's vector per component; Gemma multiplies it once more


def chat_template(
    user: str, assistant: str, image: str, end: str, *, start: str = "", system: str | None = None
) -> str:
    """A chat template of the usual form: role marks around contents, `image` where a picture stands."""
    return (
        f"{{{{- {start!r} -}}}}"
        "{%- for message in messages -%}"
        f"{{%- if message['role'] == 'user' -%}}{{{{- {user!r} -}}}}"
        f"{{%- elif message['role'] == 'system' -%}}{{{{- {(user if system is None else system)!r} -}}}}"
        f"{{%- else -%}}{{{{- {assistant!r} -}}}}{{%- endif -%}}"
        "{%- if message['content'] is string -%}{{- message['content'] -}}{%- else -%}"
        "{%- for part in message['content'] -%}"
        f"{{%- if part['type'] == 'image' -%}}{{{{- {image!r} -}}}}"
        "{%- elif part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
        f"{{%- endfor -%}}{{%- endif -%}}{{{{- {end!r} -}}}}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{- {assistant!r} -}}}}{{%- endif -%}}"
    )


def write_checkpoint(recipe: Recipe, folder: Path, seed: int = 0) -> Path:
    """Write weights, configuration, tokenizer, processor files and chat template into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(recipe, folder)
    size = tokenizer.get_vocab_size()

    def ids(token: str) -> int:
        found = tokenizer.token_to_id(token)
        assert found is not None, token
        return int(found)

    config = recipe.config(ids, size)
    model = AutoModelForImageTextToText.from_config(config, attn_implementation="eager", dtype=torch.float32)
    model.generation_config.eos_token_id = ids(recipe.eos)
    model.generation_config.pad_token_id = ids(recipe.pad)
    randomise(model, seed, recipe.gain, recipe.embedding)
    model.save_pretrained(folder)
    for name, document in recipe.files.items():
        _write(folder / name, document)
    if recipe.template is not None:
        if recipe.template_file.endswith(".jinja"):
            (folder / recipe.template_file).write_text(recipe.template, encoding="utf-8")
        else:
            _write(folder / recipe.template_file, {"chat_template": recipe.template})
    return folder


def write_tokenizer(recipe: Recipe, folder: Path) -> Tokenizer:
    """Write the family's tokenizer alone into `folder`."""
    tokenizer = _tokenizer(recipe)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", _tokenizer_config(recipe))
    return tokenizer


def randomise(model: nn.Module, seed: int, gain: float, embedding: float) -> None:
    """Seeded weights under which no attention is uniform and no picture is ignored.

    Linear maps keep the size of what goes through; queries and keys of the language model are `gain` times
    larger (or their norms are), which spreads pre-softmax scores over several units.
    """
    generator = torch.Generator().manual_seed(seed)

    def fill(weight: torch.Tensor, std: float) -> None:
        with torch.no_grad():
            weight.copy_(torch.randn(weight.shape, generator=generator) * std)

    for module in model.modules():
        if isinstance(module, nn.Embedding):
            fill(module.weight, embedding)
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            fill(module.weight, module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                fill(module.bias, 0.1)
    for parameter in model.parameters():
        if parameter.ndim >= 2 and not parameter.any():  # such as Gemma 3's projector, made of zeros
            fill(parameter, parameter.shape[0] ** -0.5)
    for layer in model.get_decoder().layers:
        attention = getattr(layer, "self_attn", None)
        if attention is None:
            continue
        for name in ("q", "k"):
            norm = getattr(attention, f"{name}_norm", None)
            projection = getattr(attention, f"{name}_proj", None)
            with torch.no_grad():
                if getattr(norm, "weight", None) is not None:
                    # Gemma's norms multiply by 1 + weight, the others by weight.
                    norm.weight.add_(gain - 1.0)
                elif norm is None and projection is not None:
                    projection.weight.mul_(gain)
    model.tie_weights()


def _tokenizer(recipe: Recipe) -> Tokenizer:
    """A byte-level BPE of some hundred tokens that knows the family's special tokens."""
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = list(
        dict.fromkeys([recipe.pad, *([recipe.bos] if recipe.bos else []), recipe.eos, *recipe.tokens])
    )
    trainer = BpeTrainer(
        vocab_size=256 + len(special) + 120,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return bpe


def _tokenizer_config(recipe: Recipe) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": recipe.eos,
        "pad_token": recipe.pad,
        "model_max_length": 32768,
        "clean_up_tokenization_spaces": False,
        **recipe.tokenizer,
    }
    if recipe.bos:
        config["bos_token"] = recipe.bos
    return config


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
