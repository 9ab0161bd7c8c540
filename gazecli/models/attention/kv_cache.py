"""Key-value caches that grow in place, are repeated for several rows, and go by the name a model expects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache as remembered
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_SPARE = 128  # tokens of room beyond what is kept
# What `forward` calls its cache: since transformers 5.24, and before.
_NAMES = ("cache", "past_key_values")


class GrowingLayer(DynamicLayer):
    """Keys and values in a tensor with room to spare: a written token is added in place.

    The stock layer copies all that is kept for every token.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rooms: dict[str, torch.Tensor] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add new keys and values (B, G, Q, D); all so far, each (B, G, K, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        self.keys = self._with("keys", self.keys, key_states)
        self.values = self._with("values", self.values, value_states)
        return self.keys, self.values

    def _with(self, name: str, kept: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        if kept.numel() == 0:
            return new
        length = kept.shape[-2]
        total = length + new.shape[-2]
        room = self._rooms.get(name)
        # What is kept lies in the room unless somebody put another tensor in its place.
        if room is None or room.data_ptr() != kept.data_ptr() or room.shape[-2] < total:
            room = kept.new_empty(*kept.shape[:-2], total + _SPARE, kept.shape[-1])
            room[..., :length, :] = kept
            self._rooms[name] = room
        room[..., length:total, :] = new
        return room[..., :total, :]


def as_argument(module: Any, cache: Any) -> dict[str, Any]:
    """`cache` under the name by which `module.forward` takes it."""
    return {_name_in(type(module).forward): cache}


@remembered
def _name_in(forward: Callable[..., Any]) -> str:
    parameters = inspect.signature(forward).parameters
    return next((name for name in _NAMES if name in parameters), _NAMES[-1])


def cache_among(arguments: Mapping[str, Any]) -> Any:
    """The cache among a call's keyword arguments, or None."""
    return next((arguments[name] for name in _NAMES if arguments.get(name) is not None), None)


def empty_cache(decoder: Any) -> Any:
    """A cache that fits the decoder's layers: windows, recurrent states and shared keys included."""
    cache = DynamicCache(config=decoder.config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def keeps_everything(cache: Any, layers: int) -> bool:
    """Whether each of `layers` layers keeps all its keys and nothing else: no window, no recurrent state."""
    return len(cache.layers) == layers and all(isinstance(layer, GrowingLayer) for layer in cache.layers)


def join_rows(cache: Any, parts: Sequence[Any]) -> None:
    """Fill an empty cache with the rows of `parts`, which keep everything, in their order."""
    for number, layer in enumerate(cache.layers):
        layers = [part.layers[number] for part in parts]
        layer.update(torch.cat([each.keys for each in layers]), torch.cat([each.values for each in layers]))


def select_rows(cache: Any, rows: Sequence[int], device: torch.device) -> None:
    """Keep these rows alone, in this order; `device` is where most layers keep them."""
    cache.reorder_cache(torch.tensor(rows, dtype=torch.long, device=device))


def repeat_rows(cache: Any, copies: Sequence[int], device: torch.device) -> None:
    """Give each sequence its number of neighbouring rows; `device` is where most layers keep them.

    Reordering does it for layers with recurrent states too, which know no repetition.
    """
    if any(count > 1 for count in copies):
        each = torch.tensor(copies, device=device)
        cache.reorder_cache(torch.arange(len(copies), device=device).repeat_interleave(each))
