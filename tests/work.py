"""Work counted instead of timed: passes of the vision tower, tokens of the decoder, tensors in attention.

Knows nothing of what the work is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gazecli.models.architecture import find_vision_tower
from gazecli.models.vlm import VLM


@dataclass
class Work:
    """vision: patches of each pass of the vision tower. decoder: (rows, tokens) of each pass of the decoder.

    largest: bytes of the largest tensor made inside an attention module, projections and cache included.
    vocabulary: how often the projection to the vocabulary ran.
    """

    vision: list[int] = field(default_factory=list)
    decoder: list[tuple[int, int]] = field(default_factory=list)
    largest: int = 0
    vocabulary: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that went through the decoder, all rows together."""
        return sum(rows * tokens for rows, tokens in self.decoder)


class _Allocations(TorchDispatchMode):
    """Watches every operation while it is `inside` an attention module."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.inside = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if self.inside:
            for tensor in torch.utils._pytree.tree_leaves(made):
                if isinstance(tensor, torch.Tensor):
                    self.work.largest = max(self.work.largest, tensor.untyped_storage().nbytes())
        return made


@contextmanager
def counted(vlm: VLM) -> Iterator[Work]:
    """Count what `vlm` does inside."""
    work = Work()
    watch = _Allocations(work)

    def enter(*_: Any) -> None:
        watch.inside += 1

    def leave(*_: Any) -> None:
        watch.inside -= 1

    def see(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        patches = args[0] if args else kwargs.get("hidden_states", kwargs.get("pixel_values"))
        work.vision.append(patches.shape[0])

    def read(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        work.decoder.append(tuple(kwargs["inputs_embeds"].shape[:2]))

    def speak(*_: Any) -> None:
        work.vocabulary += 1

    hooks = [
        find_vision_tower(vlm.model).register_forward_pre_hook(see, with_kwargs=True),
        vlm.decoder.register_forward_pre_hook(read, with_kwargs=True),
        vlm.model.get_output_embeddings().register_forward_pre_hook(speak),
    ]
    for module in vlm.attention.values():
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(leave, always_call=True))
    try:
        with watch:
            yield work
    finally:
        for hook in hooks:
            hook.remove()
