"""The fast kernel, plain and with a bias on chosen heads that rides as one more feature.

(q, s_h r) . (k, b_j / (scale r)) = q.k + s_h b_j / scale: a causal kernel needs no mask for it. `r` splits
the factor evenly between both sides, so that half precision does not overflow at strength 10000. Key groups
without a biased head go the plain way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from gazecli.models.devices import send

_FEATURE_PADDING = 8  # fast kernels want head sizes in multiples of eight


@dataclass(frozen=True)
class BiasedHeads:
    """flags: (B, H) of 0 and 1, or (1, H) for all rows. runs: key groups from and to, and whether all or none
    hold such heads of any row.
    """

    flags: torch.Tensor
    runs: tuple[tuple[int, int, bool], ...]

    @classmethod
    def of(
        cls, biased: Sequence[Sequence[int]], heads: int, groups: int, device: torch.device
    ) -> BiasedHeads:
        """Of `heads` heads in `groups` key groups, those in `biased`: a list a row, or one for all rows."""
        flags = torch.zeros(len(biased), heads)
        for row, own in zip(flags, biased, strict=True):
            row[list(own)] = 1.0
        runs, start = [], 0
        for holds, run in groupby(flags.any(0).view(groups, -1).any(1).tolist()):
            stop = start + len(list(run))
            runs.append((start, stop, holds))
            start = stop
        return cls(send(flags, device), tuple(runs))


@dataclass(frozen=True)
class Feature:
    """What is added to scaled scores: bias (B, K), at most `peak`, on the queries `acting`, (Q,)."""

    bias: torch.Tensor
    peak: float
    acting: torch.Tensor
    scale: float


@dataclass(frozen=True)
class Call:
    """The arguments of one call of SDPA besides its tensors; mask None, or (B, 1, Q, K)."""

    module: nn.Module
    mask: torch.Tensor | None
    dropout: float
    scaling: float | None
    more: Mapping[str, Any]

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """SDPA as transformers calls it: query (B, H, Q, D), key and value (B, G, K, D), to (B, Q, H, D)."""
        output: torch.Tensor = sdpa_attention_forward(
            self.module, query, key, value, self.mask, self.dropout, self.scaling, **self.more
        )[0]
        return output


def with_mask(added: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Add a boolean or additive mask (B, 1, Q, K) to additive scores."""
    if mask is None:
        return added
    if mask.dtype == torch.bool:
        return added.masked_fill(~mask, torch.finfo(added.dtype).min)
    return added + mask


def where_biased(
    call: Call,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    heads: BiasedHeads,
    feature: Feature,
) -> torch.Tensor:
    """SDPA with the feature in the key groups that need it; shapes as `Call.attend`."""
    call = replace(call, scaling=feature.scale)  # the kernel would take it from the widened size
    size, each = value.shape[-1], query.shape[1] // key.shape[1]
    if len(heads.runs) == 1 or (call.mask is not None and call.mask.shape[1] > 1):
        return call.attend(*_widened(query, key, value, heads.flags, feature))[..., :size]
    output = query.new_empty(query.shape[0], query.shape[2], query.shape[1], size)
    for start, stop, holds in heads.runs:
        few = slice(start * each, stop * each)
        run = query[:, few], key[:, start:stop], value[:, start:stop]
        if holds:
            run = _widened(*run, heads.flags[:, few], feature)
        output[:, :, few] = call.attend(*run)[..., :size]
    return output


def _widened(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, flags: torch.Tensor, feature: Feature
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All three with the feature and what pads it."""
    batch, heads, queries, size = query.shape
    root = (feature.peak / feature.scale) ** 0.5
    on_query = (flags[:, :, None] * feature.acting * root)[..., None]  # (B, H, Q, 1), or (1, H, Q, 1)
    on_key = (feature.bias / (feature.scale * root))[:, None, :, None]  # (B, 1, K, 1)
    padding = -(size + 1) % _FEATURE_PADDING
    return (
        _lengthened(query, on_query.expand(batch, heads, queries, 1), padding),
        _lengthened(key, on_key.expand(batch, key.shape[1], key.shape[2], 1), padding),
        functional.pad(value, (0, 1 + padding)),
    )


def _lengthened(tensor: torch.Tensor, feature: torch.Tensor, padding: int) -> torch.Tensor:
    zeros = tensor.new_zeros(*tensor.shape[:-1], padding)
    return torch.cat((tensor, feature.to(tensor.dtype), zeros), dim=-1)
