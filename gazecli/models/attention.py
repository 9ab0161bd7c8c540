"""THE attention function: the model's fast kernel, rows read beside it, key biases added to chosen heads.

Registered as `"gaze"`. With nothing to watch or bias it is exactly the SDPA path. Knows nothing of
pictures, regions' names or comics: a watcher receives single rows, a bias names heads, keys and the
first query it acts on. State lives on the attention modules; there are no globals.

A bias depends on head and key only, so it rides as one extra feature of queries and keys and needs no
mask: (q, s_h r) . (k, b_j / (scale r)) = q.k + s_h b_j / scale. `r` splits the factor evenly between
both sides, so that half precision does not overflow at strength 10000.

Where scores are more than a scaled product (capped, or with sinks), no fast kernel computes them: queries
are then attended in blocks, by what reads single rows elsewhere (`models.rows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from gazecli.errors import ModelError
from gazecli.models.rows import Scores, attend_in_blocks, read_rows

NAME = "gaze"
_FEATURE_PADDING = 8  # fast kernels want head sizes in multiples of eight


class RowWatcher(Protocol):
    """Receives attention rows of watched layers."""

    def wants(self, layer: int) -> bool:
        """Whether rows of this layer are to be read."""

    def rows(self, first_query: int, queries: int) -> torch.Tensor | None:
        """Indices into this call's queries, (B, R) or (R,), or None for none."""

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        """Take post-softmax rows (B, H, R, K) in float32, values (B, G, K, D) and the first key's index."""


@dataclass
class KeyBias:
    """What is added before softmax, for chosen heads.

    `prompt` is (B, L) over the prompt's keys, or (1, L) for all rows; `generated`, (B, 1) or (1, 1), is
    added on every later key. The bias acts on queries from absolute position `from_query` on.
    """

    heads: Mapping[int, Sequence[int]]
    prompt: torch.Tensor
    generated: torch.Tensor
    from_query: int = 0
    peak: float = field(init=False)

    def __post_init__(self) -> None:
        # Read once: a look at the device inside the layers would stall it.
        self.peak = max(float(self.prompt.abs().max()), float(self.generated.abs().max()), 1e-12)

    def over_keys(self, first_key: int, keys: int) -> torch.Tensor:
        """The bias of `keys` keys from absolute index `first_key` on: (B, K) float32."""
        length = self.prompt.shape[1]
        inside = self.prompt[:, first_key : first_key + keys]
        missing = keys - inside.shape[1]
        if missing == 0 or first_key + keys <= length:
            return inside
        return torch.cat((inside, self.generated.expand(-1, missing)), dim=1)


@dataclass
class AttentionState:
    """What all attention modules of one model share while watched or steered."""

    watcher: RowWatcher | None = None
    bias: KeyBias | None = None
    total: int = 0  # keys seen so far, those of the running call included
    largest: int = 0  # elements of the largest tensor the extra paths allocated
    _biased_heads: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    _over_keys: tuple[tuple[int, int], torch.Tensor] | None = None

    def chosen(self, layer: int, heads: int, device: torch.device) -> torch.Tensor | None:
        """Which heads of `layer` carry the bias: (H,) of 0 and 1, or None."""
        if self.bias is None or not self.bias.heads.get(layer):
            return None
        key = (id(self.bias), layer)
        if key not in self._biased_heads:
            flags = torch.zeros(heads)
            flags[list(self.bias.heads[layer])] = 1.0
            self._biased_heads[key] = flags.to(device)
        return self._biased_heads[key]

    def bias_over(self, first_key: int, keys: int) -> torch.Tensor:
        """The bias of these keys, (B, K), worked out once for all layers of a pass."""
        assert self.bias is not None
        if self._over_keys is None or self._over_keys[0] != (first_key, keys):
            self._over_keys = (first_key, keys), self.bias.over_keys(first_key, keys)
        return self._over_keys[1]

    def steer(self, bias: KeyBias | None) -> None:
        """Set or remove the bias."""
        self.bias = bias
        self._biased_heads.clear()
        self._over_keys = None

    def check_counted(self, keys: int) -> None:
        """ModelError where a pass attends to more keys than were counted: every key would be mistaken.

        So it is with caches that hold room for keys to come, and with a model that hides its cache.
        """
        if keys > self.total:
            raise ModelError(
                f"a layer attends to {keys} keys where {self.total} were counted, so none can be named",
                hint="use a cache that grows with the text, as `generate` does unless it is told otherwise",
                code="model.cache",
            )

    def note(self, tensor: torch.Tensor) -> torch.Tensor:
        """Remember how large the extra paths' tensors get; tests hold it to rows."""
        self.largest = max(self.largest, tensor.numel())
        return tensor


def gaze_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as SDPA does, let the watcher read rows, add the bias to chosen heads.

    Shapes: query (B, H, Q, D), key and value (B, G, K, D), mask None or (B, 1, Q, K).
    """
    state: AttentionState | None = getattr(module, "gaze_state", None)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    queries, keys = query.shape[2], key.shape[2]
    scores = Scores(scale, attention_mask, keys - queries, kwargs.get("softcap"), kwargs.get("s_aux"))
    if state is None or (state.bias is None and state.watcher is None):
        if scores.beyond_kernels:
            return attend_in_blocks(query, key, value, scores), None
        return _plain(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    state.check_counted(keys)
    layer: int = module.layer_idx  # type: ignore[assignment]
    first_key, first_query = state.total - keys, state.total - queries
    flags = state.chosen(layer, query.shape[1], query.device)
    bias: torch.Tensor | None = None
    if flags is not None and state.bias is not None and state.total > state.bias.from_query:
        bias = state.bias_over(first_key, keys).to(query.device)  # (B, K); layers may lie elsewhere
        scores = scores.biased(flags, bias, state.bias.from_query - first_query)
    if state.watcher is not None and state.watcher.wants(layer):
        rows = state.watcher.rows(first_query, queries)
        if rows is not None:
            weights = read_rows(query, key, rows, scores)
            state.watcher.receive(layer, state.note(weights), value, first_key)
    if scores.beyond_kernels:
        return attend_in_blocks(query, key, value, scores, state.note), None
    if bias is None or flags is None or state.bias is None:
        return _plain(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if queries == 1:
        added = state.note(flags[None, :, None, None] * bias[:, None, None, :])  # (B, H, 1, K)
        mask = _with_mask(added, attention_mask).to(query.dtype)
        return _plain(module, query, key, value, mask, dropout, scaling, **kwargs)
    acting = torch.arange(first_query, state.total, device=query.device) >= state.bias.from_query  # (Q,)
    return _with_feature(
        module,
        query,
        key,
        value,
        attention_mask,
        dropout,
        scale,
        flags,
        bias,
        state.bias.peak,
        acting,
        kwargs,
    )


def _plain(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    output: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, mask, dropout=dropout, scaling=scaling, **kwargs
    )
    return output


def _with_mask(added: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Add a boolean or additive mask (B, 1, Q, K) to additive scores."""
    if mask is None:
        return added
    if mask.dtype == torch.bool:
        return added.masked_fill(~mask, torch.finfo(added.dtype).min)
    return added + mask


def _with_feature(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
    scale: float,
    flags: torch.Tensor,
    bias: torch.Tensor,
    peak: float,
    acting: torch.Tensor,
    kwargs: dict[str, Any],
) -> tuple[torch.Tensor, None]:
    """SDPA with the bias as one more feature; the causal kernel needs no mask for it."""
    batch, heads, queries, size = query.shape
    groups, keys = key.shape[1], key.shape[2]
    root = (peak / scale) ** 0.5
    on_query = (flags[:, None] * acting * root)[None, :, :, None]  # (1, H, Q, 1)
    on_key = (bias / (scale * root))[:, None, :, None]  # (B, 1, K, 1)
    padding = -(size + 1) % _FEATURE_PADDING
    wide_query = torch.cat(
        (
            query,
            on_query.to(query.dtype).expand(batch, heads, queries, 1),
            query.new_zeros(batch, heads, queries, padding),
        ),
        dim=-1,
    )
    wide_key = torch.cat(
        (
            key,
            on_key.to(key.dtype).expand(batch, groups, keys, 1),
            key.new_zeros(batch, groups, keys, padding),
        ),
        dim=-1,
    )
    wide_value = functional.pad(value, (0, 1 + padding))
    output, _ = _plain(module, wide_query, wide_key, wide_value, mask, dropout, scale, **kwargs)
    return output[..., : value.shape[-1]], None


def register() -> None:
    """Make the function known to transformers, with the mask builder it needs to stay causal."""
    AttentionInterface.register(NAME, gaze_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
