"""What was computed of a picture and is kept for the next text about it: inputs, vision features, prefixes.

A prefix is the key-value cache of a prompt's first tokens, before the first query a bias acts on. Everything
is copied when it is used, because models write into what they are given.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

_PROMPTS = 3  # the newest


class KeptPicture:
    """One picture for one model."""

    def __init__(self, vlm: VLM, picture: Picture) -> None:
        self.vlm = vlm
        self.picture = picture
        self._prepared: OrderedDict[str, tuple[Any, ImageLayout]] = OrderedDict()
        self.features: Any = None  # what the vision tower made of the picture; to be left as it is
        self._prefixes: OrderedDict[tuple[int, ...], tuple[Any, Sequence[Any]]] = OrderedDict()

    def prepare(self, prompt: str) -> tuple[Any, ImageLayout]:
        """As `VLM.prepare`."""
        if prompt not in self._prepared:
            _keep(self._prepared, prompt, self.vlm.prepare(self.picture, prompt))
        return self._prepared[prompt]

    def prefix(self, tokens: tuple[int, ...]) -> tuple[Any, Sequence[Any]] | None:
        """The cache behind a prompt's first tokens, and what the model remembers of their positions."""
        known = self._prefixes.get(tokens)
        return None if known is None else (copy.deepcopy(known[0]), known[1])

    def keep_prefix(self, tokens: tuple[int, ...], cache: Any, counted: Sequence[Any]) -> None:
        """Keep a copy of the cache behind a prompt's first tokens."""
        _keep(self._prefixes, tokens, (copy.deepcopy(cache), counted))

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        layers = [vars(layer) for cache, _ in self._prefixes.values() for layer in cache.layers]
        parts = tree_leaves([self.features, layers, [dict(inputs) for inputs, _ in self._prepared.values()]])
        rooms = [part.untyped_storage() for part in parts if torch.is_tensor(part)]
        return sum({room.data_ptr(): room.nbytes() for room in rooms}.values())


def _keep(known: OrderedDict[Any, Any], name: object, new: object) -> None:
    known[name] = new
    while len(known) > _PROMPTS:
        known.popitem(last=False)
