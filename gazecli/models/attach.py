"""`attach`: a model and a processor that the caller loaded become a `VLM`.

Head sets belong to a checkpoint. Which one it is the caller says, and a part of every weight that can be
compared is compared; else the weights themselves are digested.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gazecli.errors import ModelError
from gazecli.models.checkpoint import Checkpoint, find_checkpoint, is_folder
from gazecli.models.load import require_reachable
from gazecli.models.processor import complete_processor
from gazecli.models.vlm import VLM

_LOG = logging.getLogger(__name__)
_SHORTEST = 3  # parts of a weight's name that tell it from others
_COMPARED = 256  # numbers of each weight


def attach(
    model: nn.Module,
    processor: Any,
    checkpoint: str | Path | None = None,
    *,
    name: str | None = None,
    squash: bool = True,
    file_digest: Callable[[Path], str] | None = None,
    note: Callable[[str], None] = _LOG.info,
) -> VLM:
    """Watch and steer a model of transformers that is loaded already, with its processor.

    checkpoint: what it was loaded from, a name or a folder that is on this machine: head sets of that
    checkpoint then fit. Without one, its weights are digested as they are, and head sets made with it fit
    wherever the same weights are attached. name: what to call it. squash: as of `load`.

    The model stays what it is: its attention is computed by gaze only while it is watched or steered.

    Raises ModelError for what is no such model or processor, for one that is attached already, and where its
    weights are not those of the checkpoint.
    """
    config = getattr(model, "config", None)
    if not isinstance(model, nn.Module) or config is None or not hasattr(model, "generate"):
        raise _no_model("this is not a model of transformers that writes text", model)
    if not hasattr(processor, "tokenizer"):
        raise _no_model("this is not a processor of pictures and text", processor)
    if any(hasattr(module, "gaze_state") for module in model.modules()):
        raise ModelError(
            "this model is attached already",
            subject=type(model).__name__,
            hint="use the VLM that was made of it",
            code="model.attached",
        )
    before = _implementations(model)
    complete_processor(processor, config)
    known = None if checkpoint is None else find_checkpoint(str(checkpoint), fetch=False)
    if known is not None:
        require_same(model, known)
        digest = known.digest(file_digest)
    else:
        note("reading all weights for their digest")
        digest = weights_digest(model)
    label = name or (known.name if known is not None else type(model).__name__)
    local = known is not None and is_folder(str(checkpoint))
    vlm = VLM(
        model=model,
        processor=processor,
        name=label,
        id=known.id if known is not None else label,
        revision=known.revision if known is not None else None,
        digest=digest,
        source=str(known.folder) if local and known is not None else str(checkpoint or f"attached {label}"),
        squash=squash,
        quantised=known.quantised if known is not None else None,
    )
    # `VLM` computes with its own attention where nobody asked for another.
    for settings, implementation in before:
        settings._attn_implementation = implementation
    require_reachable(vlm)
    return vlm


def weights_digest(model: nn.Module) -> str:
    """`sha256:…` over names, types, shapes and bytes of all weights; ModelError for weights not in memory."""
    running = hashlib.sha256(b"gaze.weights/1\n")
    for name, weight in sorted(model.state_dict().items()):
        if weight.device.type == "meta":
            raise ModelError(
                "its weights are not all in memory, so their digest cannot be computed",
                subject=name,
                hint="say what it was loaded from: attach(model, processor, checkpoint)",
                code="model.attached",
            )
        running.update(json.dumps([name, str(weight.dtype), list(weight.shape)]).encode())
        plain = weight.detach().reshape(-1).contiguous().cpu()
        running.update(plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return f"sha256:{running.hexdigest()}"


def require_same(model: nn.Module, checkpoint: Checkpoint) -> None:
    """ModelError unless the weights of `model` are those of `checkpoint`, by the beginning of each.

    Weights are compared in the model's number format. Names differ between files and models in how they
    begin, so that what ends alike and has the same shape is taken for the same; the rest is left out.
    """
    by_end: dict[tuple[str, ...], list[torch.Tensor]] = {}
    for name, weight in model.state_dict().items():
        for end in _ends(name):
            by_end.setdefault(end, []).append(weight)
    compared = 0
    for name, stored in _stored(checkpoint):
        for end in _ends(name):  # longest first
            same = [each for each in by_end.get(end, ()) if list(each.shape) == stored.get_shape()]
            if len(same) == 1 and same[0].device.type != "meta":
                compared += 1
                mine = same[0].detach().reshape(-1)[:_COMPARED].cpu()
                theirs = _beginning(stored).to(mine.dtype)
                if not torch.equal(mine, theirs):
                    raise _other(checkpoint, f"the weight {name} differs")
                break
    if not compared:
        raise _other(checkpoint, "none of its weights is there")


def _stored(checkpoint: Checkpoint) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    for file in checkpoint.facts.weights:
        with safe_open(checkpoint.folder / file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - no mapping
                yield name, opened.get_slice(name)


def _beginning(stored: Any) -> torch.Tensor:
    """The first numbers of a stored weight, without reading all of it."""
    shape = stored.get_shape()
    if not shape:
        whole: torch.Tensor = stored[:]
        return whole.reshape(-1)
    row = 1
    for size in shape[1:]:
        row *= size
    first: torch.Tensor = stored[: max(1, -(-_COMPARED // max(row, 1)))]
    return first.reshape(-1)[:_COMPARED]


def _ends(name: str) -> Iterator[tuple[str, ...]]:
    parts = tuple(name.split("."))
    for first in range(max(1, len(parts) - _SHORTEST + 1)):
        yield parts[first:]


def _implementations(model: nn.Module) -> list[tuple[Any, Any]]:
    """The configurations of the model's parts, and the attention each asks for."""
    found = {}
    for module in model.modules():
        settings = getattr(module, "config", None)
        if settings is not None and hasattr(settings, "_attn_implementation"):
            found[id(settings)] = (settings, settings._attn_implementation)
    return list(found.values())


def _no_model(message: str, given: object) -> ModelError:
    hint = "give what from_pretrained returned: attach(AutoModelForImageTextToText…, AutoProcessor…)"
    return ModelError(message, subject=type(given).__name__, hint=hint, code="model.kind")


def _other(checkpoint: Checkpoint, why: str) -> ModelError:
    return ModelError(
        f"the model does not have the weights of this checkpoint: {why}",
        subject=checkpoint.name,
        hint="leave the checkpoint out: head sets are then of these weights alone",
        code="model.other_weights",
    )
