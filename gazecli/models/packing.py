"""Several short continuations of one prefix in one row: each sees the prefix and itself, none sees another.

The prefix's keys are neither copied nor padded for them. Knows nothing of regions or of what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gazecli.models.attention.to_device import send


@dataclass(frozen=True)
class PackedTails:
    """Tails of T tokens in all behind a prefix of S.

    ids: (T,). positions: (T,), counted as if each tail followed the prefix alone. mask: (1, 1, T, S + T),
    which key each query sees. ends: (tails,), where in the row the last token of each stands.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def behind(cls, shared: int, tails: Sequence[Sequence[int]]) -> PackedTails:
        """Lay `tails` side by side behind a prefix of `shared` tokens."""
        lengths = torch.tensor([len(tail) for tail in tails])
        owner = torch.arange(len(tails)).repeat_interleave(lengths)  # (T,)
        place = torch.arange(len(owner))
        ends = lengths.cumsum(0) - 1
        starts = ends - lengths + 1
        own = (owner[:, None] == owner[None, :]) & (place[:, None] >= place[None, :])  # (T, T)
        mask = torch.cat((torch.ones(len(owner), shared, dtype=torch.bool), own), dim=1)
        ids = torch.tensor([token for tail in tails for token in tail])
        return cls(ids, shared + place - starts[owner], mask[None, None], ends)

    def inputs(self, model: Any, rows: int) -> dict[str, torch.Tensor]:
        """Model inputs for `rows` equal rows, one behind each prefix in the cache."""
        device = model.get_input_embeddings().weight.device
        positions = send(self.positions, device).expand(rows, -1)
        deltas = getattr(getattr(model, "model", model), "rope_deltas", None)
        if deltas is not None:
            # Qwen models count a picture as its longer side: what follows it stands that much earlier.
            positions = positions + deltas.to(device)
        return {
            "input_ids": send(self.ids, device).expand(rows, -1),
            "position_ids": positions,
            "attention_mask": send(self.mask, device),
        }
