"""Checkpoints that bring their own code: which class is the model, and whether its attention can be reached.

Nothing here runs unless remote code was allowed. Knows nothing of processors or pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gazecli.errors import ModelError
from gazecli.models.vlm import VLM
from gazecli.models.watchers import RowKeeper

_CLASSES = ("AutoModelForImageTextToText", "AutoModelForVision2Seq", "AutoModelForCausalLM", "AutoModel")


def model_class(config: Mapping[str, Any]) -> Any:
    """The automatic class that loads a checkpoint: what its own code registers, else the one for pictures."""
    import transformers

    registered = config.get("auto_map")
    if not isinstance(registered, dict) or config["model_type"] in transformers.CONFIG_MAPPING:
        return transformers.AutoModelForImageTextToText
    name = next(
        (name for name in _CLASSES if name in registered and hasattr(transformers, name)), _CLASSES[0]
    )
    return getattr(transformers, name)


def is_remote(model: Any) -> bool:
    """Whether the model's class came with the checkpoint."""
    return not type(model).__module__.startswith("transformers.")


@torch.inference_mode()
def require_reachable(vlm: VLM) -> None:
    """Run the decoder on two tokens and see that every attention module calls gaze's attention function.

    Raises ModelError for a model that computes attention in its own way, which nothing can watch or steer.
    """
    keeper = RowKeeper({layer: range(heads) for layer, heads in vlm.heads_of.items()}, length=2)
    keeper.begin_step()
    tokens = torch.zeros(1, 2, dtype=torch.long, device=vlm.device)
    try:
        with vlm.watching(keeper):
            vlm.decoder(inputs_embeds=vlm.model.get_input_embeddings()(tokens), use_cache=False)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as failure:
        raise _unreachable(vlm, f"its decoder does not run like others: {failure}") from failure
    silent = sorted(set(vlm.attention) - set(keeper.steps[0]))
    if silent:
        raise _unreachable(vlm, f"layer {silent[0]} computes attention in code of its own")


def _unreachable(vlm: VLM, why: str) -> ModelError:
    return ModelError(
        f"the attention of this model cannot be reached ({why.splitlines()[0][:160]})",
        subject=vlm.name,
        hint="gaze needs code that calls the attention interface of transformers; see `gaze models`",
        code="model.unsupported",
    )
