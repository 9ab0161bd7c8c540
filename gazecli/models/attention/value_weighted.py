"""Value-weighted attention: what heads read from each image token, step by step while the model writes.

An image token weighs its attention times the norm of its value vector (arXiv 2606.14703, tracking).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from gazecli.models.attention.gaze_attention import RowWatcher, WatchedRows
from gazecli.models.devices import send


class ValueWeightedAttention(RowWatcher):
    """Keeps, pass by pass, how groups of heads spread their weighted attention over the image tokens.

    positions: (N,) of the image tokens in the prompt. groups: lists of heads (layer, head). A head's weights
    are divided by their sum over all image tokens, and a group is the mean over its heads. After each pass
    `steps` grows by (B, groups, N) float32, where the first layer that is read computes.
    """

    def __init__(self, positions: torch.Tensor, groups: Sequence[Iterable[tuple[int, int]]]) -> None:
        self.positions = positions.cpu()
        self.steps: list[torch.Tensor] = []
        self._shares = _shares_of([set(group) for group in groups])
        self._groups = len(groups)
        self._norms: dict[int, torch.Tensor] = {}
        self._sent: dict[tuple[int, int, torch.device], tuple[torch.Tensor, torch.Tensor]] = {}
        self._open = False

    def begin_step(self) -> None:
        """Open the entry that this forward pass fills."""
        self._open = True

    def wants(self, layer: int, /) -> bool:
        """Whether rows of this layer are to be read."""
        return layer in self._shares

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Add one layer's row to the step."""
        weights = rows.weights
        places, shares = self._where(layer, rows.first_key, weights.device)
        norms = self._value_norms(layer, rows, places)  # (B, G, n)
        norms = norms.repeat_interleave(weights.shape[1] // norms.shape[1], dim=1)  # (B, H, n)
        row = weights[:, :, 0, places] * norms
        row = row / row.sum(-1, keepdim=True).clamp_min(1e-12)
        mean = torch.einsum("gh,bhn->bgn", shares, row[:, : shares.shape[1]])
        if self._open:
            self.steps.append(mean.new_zeros(row.shape[0], self._groups, len(self.positions)))
            self._open = False
        step = self.steps[-1]
        step[..., len(self.positions) - len(places) :] += mean.to(step.device)

    def maps(self, row: int, group: int, length: int) -> npt.NDArray[np.float32]:
        """The first `length` steps of one sequence and one group: (length, N)."""
        if not self.steps:
            return np.zeros((0, len(self.positions)), dtype=np.float32)
        chosen = torch.stack([step[row, group] for step in self.steps[:length]])
        kept: npt.NDArray[np.float32] = chosen.cpu().numpy()
        return kept

    def _where(self, layer: int, first_key: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The image tokens still among the keys, (n,), and each head's shares, (groups, heads named)."""
        key = (layer, first_key, device)
        if key not in self._sent:
            seen = self.positions[self.positions >= first_key]  # a sliding window drops early tokens
            self._sent = {known: sent for known, sent in self._sent.items() if known[0] != layer}
            self._sent[key] = send(seen - first_key, device), send(self._shares[layer], device)
        return self._sent[key]

    def _value_norms(self, layer: int, rows: WatchedRows, places: torch.Tensor) -> torch.Tensor:
        """Norms of the image tokens' value vectors; they do not change while the model writes."""
        known = self._norms.get(layer)
        if known is None or rows.first_key or known.shape[0] != rows.value.shape[0]:
            known = rows.value[:, :, places].float().norm(dim=-1)
            self._norms[layer] = known
        return known


def _shares_of(groups: Sequence[set[tuple[int, int]]]) -> dict[int, torch.Tensor]:
    """What each head of a layer contributes to each group's mean: layer -> (groups, highest head + 1)."""
    highest: dict[int, int] = {}
    for group in groups:
        for layer, head in group:
            highest[layer] = max(highest.get(layer, 0), head)
    shares = {layer: torch.zeros(len(groups), head + 1) for layer, head in highest.items()}
    for number, group in enumerate(groups):
        for layer, head in group:
            shares[layer][number, head] = 1 / len(group)
    return shares
