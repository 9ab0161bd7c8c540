"""Single rows of attention, written out in float32: for watchers, and where no fast kernel computes them.

A row's scores are softcap(q . k scale) + bias + mask, and its softmax may share its mass with a sink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

# Query rows of one call: numbers in it, (B, R) or (R,), or neighbours, the same in every sequence.
Rows = torch.Tensor | range

# Elements of one block's scores: 16 MB in float32.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class Scores:
    """How one call's scores come about.

    scale: of q . k. mask: None (causal), or boolean or additive (B, 1, Q, K). before: keys in front of the
    first query. softcap: scores become cap tanh(score / cap), as in Gemma 2. sinks: (H,), each head's score
    of a key that holds nothing, as in gpt-oss. flags (B, H) or (1, H) of 0 and 1 and bias (B, K): what
    is added for chosen heads, on queries from `from_query` of this call on.
    """

    scale: float
    mask: torch.Tensor | None
    before: int
    softcap: float | None = None
    sinks: torch.Tensor | None = None
    flags: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    from_query: int = 0

    @property
    def beyond_kernels(self) -> bool:
        """Whether scores are more than a scaled product, which fast kernels do not know."""
        return self.softcap is not None or self.sinks is not None


def read_rows(query: torch.Tensor, key: torch.Tensor, rows: Rows, how: Scores) -> torch.Tensor:
    """Softmax of the query rows `rows` over all keys: (B, H, R, K) float32.

    Shapes: query (B, H, Q, D), key (B, G, K, D).
    """
    batch, heads, _, size = query.shape
    groups, keys = key.shape[1], key.shape[2]
    if isinstance(rows, range):
        rows = torch.arange(rows.start, rows.stop, device=query.device)
    rows = rows.to(query.device)
    rows = rows.expand(batch, -1) if rows.ndim == 2 else rows.expand(batch, rows.shape[0])
    count = rows.shape[1]
    index = rows[:, None, :, None].expand(batch, heads, count, size)
    picked = query.gather(2, index).float() * how.scale  # (B, H, R, D)
    grouped = picked.view(batch, groups, heads // groups * count, size)
    scores = (grouped @ key.float().transpose(-1, -2)).view(batch, heads, count, keys)
    if how.softcap is not None:
        scores = how.softcap * torch.tanh(scores / how.softcap)
    if how.bias is not None and how.flags is not None:
        acting = (rows >= how.from_query)[:, None, :, None]  # (B, 1, R, 1)
        scores = scores + how.flags[:, :, None, None] * how.bias[:, None, None, :] * acting
    return _softmax(_masked(scores, rows, how), how.sinks)


def _masked(scores: torch.Tensor, rows: torch.Tensor, how: Scores) -> torch.Tensor:
    keys, count = scores.shape[-1], rows.shape[1]
    if how.mask is None:
        places = torch.arange(keys, device=scores.device)
        visible = places <= (rows + how.before)[:, None, :, None]  # (B, 1, R, K)
        return scores.masked_fill(~visible, float("-inf"))
    wide = how.mask.expand(rows.shape[0], -1, -1, -1)
    mine = wide.gather(2, rows[:, None, :, None].expand(-1, wide.shape[1], count, keys))
    return scores.masked_fill(~mine, float("-inf")) if mine.dtype == torch.bool else scores + mine.float()


def _softmax(scores: torch.Tensor, sinks: torch.Tensor | None) -> torch.Tensor:
    if sinks is None:
        return scores.softmax(-1)
    column = sinks.float()[None, :, None, None].expand(*scores.shape[:-1], 1)
    return torch.cat((scores, column), dim=-1).softmax(-1)[..., :-1]


def attend_in_blocks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    how: Scores,
    note: Callable[[torch.Tensor], torch.Tensor] = lambda weights: weights,
) -> torch.Tensor:
    """Attention of all queries, some rows at a time, so that no square matrix is built: (B, Q, H, D).

    Shapes: query (B, H, Q, D), key and value (B, G, K, D). `note` sees each block's weights.
    """
    batch, heads, queries, _ = query.shape
    groups, keys = key.shape[1], key.shape[2]
    step = max(1, _AT_ONCE // (batch * heads * keys))
    blocks = []
    for start in range(0, queries, step):
        rows = range(start, min(start + step, queries))
        weights = note(read_rows(query, key, rows, how))  # (B, H, R, K)
        grouped = weights.view(batch, groups, heads // groups * len(rows), keys)
        blocks.append((grouped @ value.float()).view(batch, heads, len(rows), value.shape[-1]))
    return torch.cat(blocks, dim=2).to(query.dtype).transpose(1, 2).contiguous()
