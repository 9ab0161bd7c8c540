"""The attention function of watched and steered models: a fast kernel, rows read beside it, a bias on heads.

Registered as `"gaze"` with transformers. With nothing to watch or bias it is exactly the SDPA path. A watcher
receives single rows; a bias names heads, keys and the first query it acts on. State lives on the attention
modules, so that two models never share any.

A bias depends on head and key only, so it rides as one extra feature of queries and keys and needs no mask
(`kernel`). Where scores are more than a scaled product (capped, or with sinks), no fast kernel
computes them: queries are then attended in blocks, by what reads single rows elsewhere (`rows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import get_ident
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from gazecli.errors import ModelError
from gazecli.models.attention.kernel import BiasedHeads, Call, Feature, where_biased, with_mask
from gazecli.models.attention.rows import (
    Rows,
    Scores,
    attend_in_blocks,
    attend_with_weights,
    read_rows,
)

NAME = "gaze"

HeadsByLayer = Mapping[int, Sequence[int]]


class WatchedRows(NamedTuple):
    """One layer's rows. weights: (B, H, R, K) after softmax, float32. value: (B, G, K, D).

    first_key: absolute position of the first key; a sliding window has dropped those before it.
    """

    weights: torch.Tensor
    value: torch.Tensor
    first_key: int


class Enough(Exception):
    """Raised by a watcher inside a forward pass whose remaining work nobody needs."""


class RowWatcher:
    """Receives attention rows; by default the last query's of every layer, of which it keeps nothing.

    One that has all it needs of a forward pass ends it by raising `Enough`.
    """

    def begin_step(self) -> None:
        """A forward pass begins."""

    def wants(self, _layer: int, /) -> bool:
        """Whether rows of this layer are to be read."""
        return True

    def rows(self, queries: range, /) -> Rows:
        """Which of this call's queries, given by their absolute positions: indices among them."""
        return range(len(queries) - 1, len(queries))

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Take the rows of one layer."""


@dataclass
class KeyBias:
    """What is added before softmax, for chosen heads.

    heads: one choice for all rows, or one a row. `prompt` is (B, L) over the prompt's keys, or (1, L) for
    all rows; `generated`, (B, 1) or (1, 1), is added on every later key. The bias acts on queries from
    absolute position `from_query` on, (B, 1) where rows differ. layers: those with heads in any row.
    """

    heads: HeadsByLayer | Sequence[HeadsByLayer]
    prompt: torch.Tensor
    generated: torch.Tensor
    from_query: int | torch.Tensor = 0
    peak: float = field(init=False)
    earliest: int = field(init=False)
    latest: int = field(init=False)
    layers: frozenset[int] = field(init=False)
    _biased_heads: dict[int, BiasedHeads] = field(default_factory=dict, init=False, repr=False)
    _over_keys: tuple[tuple[int, int], torch.Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # Read once: reading it back from the device inside the layers would stall that.
        self.peak = max(float(self.prompt.abs().max()), float(self.generated.abs().max()), 1e-12)
        starts = torch.as_tensor(self.from_query)
        self.earliest, self.latest = int(starts.min()), int(starts.max())
        self.layers = frozenset(layer for choice in self.choices for layer in choice if choice[layer])

    def starts(self, device: torch.device) -> int | torch.Tensor:
        """`from_query` where a layer computes."""
        return self.from_query if isinstance(self.from_query, int) else self.from_query.to(device)

    @property
    def choices(self) -> Sequence[HeadsByLayer]:
        """The heads of each row, or the one choice of all rows."""
        return [self.heads] if isinstance(self.heads, Mapping) else self.heads

    def of_rows(self, rows: Sequence[int]) -> KeyBias:
        """The bias of these rows alone, in this order."""
        index = torch.tensor(rows, dtype=torch.long, device=self.prompt.device)
        heads = self.heads if len(self.choices) == 1 else [self.choices[row] for row in rows]
        tables = [table if len(table) == 1 else table[index] for table in (self.prompt, self.generated)]
        starts = self.from_query
        starts = starts if isinstance(starts, int) or len(starts) == 1 else starts[index]
        return KeyBias(heads, tables[0], tables[1], starts)

    def chosen(self, layer: int, heads: int, groups: int, device: torch.device) -> BiasedHeads | None:
        """Which of `layer`'s heads, in so many key groups, carry the bias; None for none."""
        if layer not in self.layers:
            return None
        if layer not in self._biased_heads:
            rows = [choice.get(layer, ()) for choice in self.choices]
            self._biased_heads[layer] = BiasedHeads.of(rows, heads, groups, device)
        return self._biased_heads[layer]

    def over_keys(self, first_key: int, keys: int) -> torch.Tensor:
        """The bias of `keys` keys from absolute index `first_key` on, (B, K) float32, once for all layers."""
        if self._over_keys is None or self._over_keys[0] != (first_key, keys):
            inside = self.prompt[:, first_key : first_key + keys]
            missing = keys - inside.shape[1]
            if missing:
                inside = torch.cat((inside, self.generated.expand(-1, missing)), dim=1)
            self._over_keys = (first_key, keys), inside
        return self._over_keys[1]


@dataclass
class AttentionState:
    """What all attention modules of one model share while watched or steered.

    total: keys seen so far, those of the running pass included. reached: layers this pass has come to.
    awaits_tokens: whether a pass has to be seen before its bias is known. consulted: whether a layer with
    steered heads was reached since this was last set to False. owner: the thread that watches or steers.
    largest: elements of the largest tensor the extra paths allocated.
    """

    watcher: RowWatcher | None = None
    bias: KeyBias | None = None
    total: int = 0
    reached: set[int] = field(default_factory=set)
    awaits_tokens: bool = False
    consulted: bool = False
    owner: int | None = None
    largest: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is watched or steered."""
        return self.bias is None and self.watcher is None and not self.awaits_tokens

    def chosen(self, layer: int, heads: int, groups: int, device: torch.device) -> BiasedHeads | None:
        """Which of `layer`'s heads, in so many key groups, carry the bias; None for none."""
        return None if self.bias is None else self.bias.chosen(layer, heads, groups, device)

    def bias_over(self, first_key: int, keys: int) -> torch.Tensor:
        """The bias of these keys: (B, K)."""
        assert self.bias is not None
        return self.bias.over_keys(first_key, keys)

    def reach(self, layer: int, keys: int) -> None:
        """Note that a pass has come to `layer`, where it attends to `keys` keys.

        Raises ModelError for a pass of another thread, for one whose tokens were not seen, and where there
        are more keys than were counted: each would be taken for another. This happens with caches that hold
        room for keys to come, and with a model that hides its cache.
        """
        self.check_thread()
        if self.awaits_tokens:
            raise ModelError(
                "a forward pass bypassed the model, so its image tokens are unknown",
                hint="run the whole model, not a part of it",
                code="model.unseen",
            )
        self.reached.add(layer)
        self.consulted |= self.bias is not None and layer in self.bias.layers
        if keys > self.total:
            raise ModelError(
                f"a layer attends to {keys} keys, but {self.total} were counted, so none can be identified",
                hint="use a cache that grows with the text, as `generate` does by default",
                code="model.cache",
            )

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def check_thread(self) -> None:
        """ModelError in another thread than the one that watches or steers."""
        if self.owner not in (None, get_ident()):
            raise busy()

    def note(self, tensor: torch.Tensor) -> torch.Tensor:
        """Remember how large the extra paths' tensors get; tests hold it to rows."""
        self.largest = max(self.largest, tensor.numel())
        return tensor


def busy(name: str | None = None) -> ModelError:
    """The error of a model that two threads use at once."""
    return ModelError(
        "another thread is watching or steering this model",
        subject=name,
        hint="use it in one thread at a time, or load it once for each thread",
        code="model.busy",
    )


def gaze_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attend as SDPA does, let the watcher read rows, add the bias to chosen heads.

    Shapes: query (B, H, Q, D), key and value (B, G, K, D), mask None or (B, 1, Q, K). Weights (B, H, Q, K)
    are returned where the model was called with `output_attentions`.
    """
    state: AttentionState | None = getattr(module, "gaze_state", None)
    handed_out = state is not None and bool(kwargs.get("output_attentions"))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    queries, keys = query.shape[2], key.shape[2]
    scores = Scores(scale, attention_mask, keys - queries, kwargs.get("softcap"), kwargs.get("s_aux"))
    call = Call(module, attention_mask, dropout, scaling, kwargs)
    if state is None or state.is_idle:
        if handed_out:
            return attend_with_weights(query, key, value, scores)
        if scores.beyond_kernels:
            return attend_in_blocks(query, key, value, scores), None
        return call.attend(query, key, value), None
    layer: int = module.layer_idx  # type: ignore[assignment]
    state.reach(layer, keys)
    first_key, first_query = state.total - keys, state.total - queries
    heads = state.chosen(layer, query.shape[1], key.shape[1], query.device)
    bias: torch.Tensor | None = None
    if heads is not None and state.bias is not None and state.total > state.bias.earliest:
        bias = state.bias_over(first_key, keys).to(query.device)  # (B, K); layers may lie elsewhere
        acts_from = state.bias.starts(query.device) - first_query
        scores = replace(scores, flags=heads.flags, bias=bias, from_query=acts_from)
    if state.watcher is not None and state.watcher.wants(layer):
        rows = state.watcher.rows(range(first_query, state.total))
        weights = read_rows(query, key, rows, scores)
        state.watcher.receive(layer, WatchedRows(state.note(weights), value, first_key))
    if handed_out:
        return attend_with_weights(query, key, value, scores)
    if scores.beyond_kernels:
        return attend_in_blocks(query, key, value, scores, state.note), None
    if bias is None or heads is None or state.bias is None:
        return call.attend(query, key, value), None
    if queries == 1:
        added = state.note(heads.flags[:, :, None, None] * bias[:, None, None, :])  # (B, H, 1, K)
        if first_query < state.bias.latest:
            added = added * torch.as_tensor(scores.from_query <= 0).reshape(-1, 1, 1, 1)
        mask = with_mask(added, attention_mask).to(query.dtype)
        return replace(call, mask=mask).attend(query, key, value), None
    acting = torch.arange(queries, device=query.device) >= scores.from_query  # (Q,) or (B, Q)
    feature = Feature(bias, state.bias.peak, acting, scale)
    return where_biased(call, query, key, value, heads, feature), None


def register() -> None:
    """Make the function known to transformers, with the mask builder it needs to stay causal."""
    AttentionInterface.register(NAME, gaze_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
