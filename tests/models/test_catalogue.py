"""Layers and heads of the models with a short name, compared with what their publishers wrote.

FIGURES was read in public copies of config.json, or in files that quote them; each row names the file. What
is not in it is `unchecked` in `gaze models`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gazecli
from gazecli.models.catalogue import CATALOGUE, TINY
from tests.fixtures.published import PUBLISHED, metadata

# id on the Hub: layers of the language model, query heads, where they were read.
FIGURES: dict[str, tuple[int, int, str]] = {
    "Qwen/Qwen2-VL-2B-Instruct": (28, 12, "kerasformers qwen2_vl/config.py"),
    "Qwen/Qwen2-VL-7B-Instruct": (28, 28, "kerasformers qwen2_vl/config.py"),
    "Qwen/Qwen2-VL-72B-Instruct": (80, 64, "kerasformers qwen2_vl/config.py"),
    "Qwen/Qwen2.5-VL-3B-Instruct": (36, 16, "kerasformers qwen2_5_vl/config.py"),
    "Qwen/Qwen2.5-VL-7B-Instruct": (28, 28, "kerasformers qwen2_5_vl/config.py"),
    "Qwen/Qwen2.5-VL-32B-Instruct": (64, 40, "kerasformers qwen2_5_vl/config.py"),
    "Qwen/Qwen2.5-VL-72B-Instruct": (80, 64, "kerasformers qwen2_5_vl/config.py"),
    "Qwen/Qwen3-VL-2B-Instruct": (28, 16, "kerasformers qwen3_vl/config.py"),
    "Qwen/Qwen3-VL-4B-Instruct": (36, 32, "kerasformers qwen3_vl/config.py"),
    "Qwen/Qwen3-VL-8B-Instruct": (36, 32, "kerasformers qwen3_vl/config.py"),
    "Qwen/Qwen3-VL-32B-Instruct": (64, 64, "kerasformers qwen3_vl/config.py"),
    "Qwen/Qwen3.5-9B": (32, 16, "tt_transformers Qwen3.5-9B/config.json"),
    "Qwen/Qwen3.5-35B-A3B": (40, 16, "tests of a reader of its config.json"),
    "zai-org/GLM-4.1V-9B-Thinking": (40, 32, "kerasformers glm4v/config.py"),
    "zai-org/GLM-4.5V": (46, 96, "kerasformers glm4v_moe/config.py"),
    "llava-hf/llava-1.5-7b-hf": (32, 32, "LLAVA_15_CONFIG of a test; its text_config names vicuna-7b-v1.5"),
    "google/gemma-3-4b-it": (34, 8, "kerasformers gemma3/config.py"),
    "google/gemma-3-12b-it": (48, 16, "kerasformers gemma3/config.py"),
    "google/gemma-3-27b-it": (62, 32, "kerasformers gemma3/config.py"),
    "google/paligemma-3b-mix-224": (18, 8, "transformers convert_colpali_weights_to_hf.py"),
    "google/paligemma2-3b-mix-224": (26, 8, "transformers convert_paligemma2_weights_to_hf.py"),
    "mistral-community/pixtral-12b": (40, 32, "transformers test_modeling_llava.py"),
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": (40, 32, "TensorRT-LLM test_modeling_mistral.py"),
    "deepseek-community/deepseek-vl-1.3b-chat": (24, 16, "kerasformers deepseek_vl/config.py"),
    "deepseek-community/Janus-Pro-1B": (24, 16, "kerasformers janus/config.py"),
    "allenai/Molmo2-8B": (36, 32, "tt-metal molmo2/tt/model_config.py"),
    "LiquidAI/LFM2.5-VL-1.6B": (16, 32, "tt_transformers LFM2.5-VL-1.6B/config.json"),
}


def test_figures_are_the_published_ones_or_called_unchecked() -> None:
    checked = {e.id: (e.layers, e.heads) for e in CATALOGUE if not e.unchecked and e.alias != TINY}
    assert checked == {hub_id: (layers, heads) for hub_id, (layers, heads, _) in FIGURES.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_kept_metadata_and_catalogue_name_the_same_model(name: str) -> None:
    kept = metadata(name)
    [entry] = [entry for entry in CATALOGUE if entry.alias == name]
    config = kept["files"]["config.json"]
    text = config["text_config"]
    assert entry.id == kept["id"]
    assert entry.family == config["model_type"]
    assert entry.layers == text["num_hidden_layers"]
    assert entry.heads == text.get("num_attention_heads", entry.heads)


def test_the_row_of_tiny_tells_the_truth() -> None:
    config = json.loads((Path(gazecli.__file__).parent / "tiny" / "checkpoint" / "config.json").read_text())
    [tiny] = [entry for entry in CATALOGUE if entry.alias == TINY]
    text = config["text_config"]
    assert (tiny.layers, tiny.heads) == (text["num_hidden_layers"], text["num_attention_heads"])
