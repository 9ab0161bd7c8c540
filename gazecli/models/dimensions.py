"""How many layers and heads a checkpoint has, from its config alone: no weights are read.

Knows nothing of head sets.
"""

from __future__ import annotations

from dataclasses import dataclass

from gazecli.errors import ModelError
from gazecli.models.checkpoints import Checkpoint


@dataclass(frozen=True)
class Dimensions:
    """Layers of the text backbone, query heads of each, and the family's name."""

    layers: int
    heads: int
    family: str


def read_dimensions(checkpoint: Checkpoint) -> Dimensions:
    """The dimensions of a checkpoint's text backbone.

    Raises ModelError when config.json is missing or broken, or of a kind whose code is not in transformers.
    """
    family = str(checkpoint.config()["model_type"])
    from transformers import AutoConfig

    try:
        text = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True).get_text_config()
        layers, heads = text.num_hidden_layers, text.num_attention_heads
    except Exception as failure:  # config classes raise nearly anything on values they did not expect
        raise _unknown(checkpoint) from failure
    if not (isinstance(layers, int) and isinstance(heads, int) and layers > 0 and heads > 0):
        raise _unknown(checkpoint)
    return Dimensions(layers, heads, family)


def _unknown(checkpoint: Checkpoint) -> ModelError:
    return ModelError(
        "config.json does not say how many layers and heads this model has",
        subject=checkpoint.name,
        hint="choose a model of `gaze models`, or check the folder's config.json",
        code="model.broken",
    )
