"""Checkpoint folders that bring their own code, made from a random LLaVA. Knows nothing of the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

CONFIGURATION = """
from transformers import LlavaConfig


class LookerConfig(LlavaConfig):
    model_type = "looker"
"""
MODEL = """
from transformers import LlavaForConditionalGeneration
from .configuration_looker import LookerConfig


class Looker(LlavaForConditionalGeneration):
    config_class = LookerConfig
"""
# Scores, mask and softmax by hand: no attention function of transformers is ever called.
OWN_ATTENTION = """
import torch
from torch import nn
from transformers import LlavaForConditionalGeneration
from .configuration_looker import LookerConfig


class OwnAttention(nn.Module):
    def __init__(self, stock):
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj", "layer_idx", "head_dim"):
            setattr(self, name, getattr(stock, name))

    def forward(self, hidden_states, **_):
        batch, length, _ = hidden_states.shape
        q, k, v = (
            p(hidden_states).view(batch, length, -1, self.head_dim).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
        mask = torch.ones(length, length).triu(1).bool()
        weights = (q @ k.transpose(2, 3)).masked_fill(mask, -torch.inf).softmax(-1)
        return self.o_proj((weights @ v).transpose(1, 2).flatten(2)), None


class Looker(LlavaForConditionalGeneration):
    config_class = LookerConfig

    def __init__(self, config):
        super().__init__(config)
        for layer in self.model.language_model.layers[1:]:
            layer.self_attn = OwnAttention(layer.self_attn)
"""
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "chat_template.json")


def with_own_code(
    stock: Path, folder: Path, model: str = MODEL, registered: str = "AutoModelForImageTextToText"
) -> Path:
    """A copy of `stock` whose model type transformers does not know, its classes beside the weights."""
    shutil.copytree(stock, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "looker"
    config["auto_map"] = {
        "AutoConfig": "configuration_looker.LookerConfig",
        registered: "modeling_looker.Looker",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "configuration_looker.py").write_text(CONFIGURATION)
    (folder / "modeling_looker.py").write_text(model)
    return folder


def without_processor(folder: Path) -> Path:
    """The same folder with its tokenizer alone, as Bunny's and Ovis 1.5's are."""
    for name in PROCESSOR_FILES:
        (folder / name).unlink()
    return folder
