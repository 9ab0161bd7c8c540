"""How many sequences are computed at once: as many as asked for, or as fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from gazecli.errors import GazeError
from gazecli.models.devices import is_out_of_memory, release
from gazecli.models.vlm import VLM

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class BatchLimit:
    """At most `most` at once and, unless None, at most `tokens` of all together; less once memory ran out."""

    most: int
    tokens: int | None = None

    def count_of(self, each: int) -> int:
        """How many of `each` tokens may be computed at once."""
        return max(1, self.most if self.tokens is None else min(self.most, self.tokens // each))

    def step_down(self, from_size: int) -> None:
        """Never try as many as `from_size` again."""
        self.most = max(1, min(self.most, from_size // 2))


def bytes_per_token(vlm: VLM) -> int:
    """What a token of a batch takes at most.

    Its keys and values, twice while rows are joined or leave, and what a layer holds of it meanwhile.
    """
    config = vlm.decoder.config
    groups = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kept = 2 * len(vlm.attention) * groups * size
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    return int((2 * kept + 3 * inner + 8 * config.hidden_size) * vlm.model.dtype.itemsize)


def compute_in_parts(
    items: Sequence[Item],
    limit: BatchLimit,
    each: int,
    compute: Callable[[Sequence[Item]], Sequence[Result]],
    device: torch.device,
    one_too_large: GazeError,
) -> list[Result]:
    """What `compute` makes of all `items` of `each` tokens, in smaller parts where memory does not suffice.

    Raises `one_too_large` when a single one does not fit.
    """
    found: list[Result] = []
    while len(found) < len(items):
        part = items[len(found) : len(found) + limit.count_of(each)]
        computed: Sequence[Result] | None = None
        try:
            computed = compute(part)
        except (RuntimeError, MemoryError) as failure:
            if not is_out_of_memory(failure):
                raise
            if len(part) == 1:
                raise one_too_large from None
        if computed is None:
            # Outside the handler: until here the traceback holds the tensors of the failed batch.
            limit.step_down(len(part))
            release(device)
        else:
            found += computed
    return found
