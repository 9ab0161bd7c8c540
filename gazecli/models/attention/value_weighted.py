"""Where heads look in the picture, token by written token, weighted by what the look brings in.

The weight of an image token is its attention times the norm of its value vector (arXiv 2606.14703, tracking).
Knows nothing of regions, of texts or of why somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from gazecli.models.attention.gaze_attention import RowWatcher
from gazecli.models.attention.rows import Rows
from gazecli.models.attention.to_device import send

HeadPair = tuple[int, int]


class ImageLooks:
    """Keeps, step by step, how groups of heads spread their weighted attention over the image tokens.

    positions: (N,) of the image tokens in the prompt. groups: lists of heads (layer, head). A head's weights
    are divided by their sum over all image tokens, and a group is the mean over its heads. After each pass
    `steps` grows by (B, groups, N) float32, where the first layer that is read computes.
    """

    def __init__(self, positions: torch.Tensor, groups: Sequence[Iterable[HeadPair]]) -> None:
        self.positions = positions.cpu()
        self.steps: list[torch.Tensor] = []
        self._shares: Mapping[int, torch.Tensor] = _shares_of([list(group) for group in groups])
        self._groups = len(groups)
        self._norms: dict[int, torch.Tensor] = {}
        self._sent: dict[tuple[int, int, torch.device], tuple[torch.Tensor, torch.Tensor]] = {}
        self._open = False

    def wants(self, layer: int) -> bool:
        """Whether rows of this layer are to be read."""
        return layer in self._shares

    def begin_step(self) -> None:
        """Open the entry that the next forward pass fills."""
        self._open = True

    def rows(self, first_query: int, queries: int) -> Rows | None:  # noqa: ARG002 - the protocol's
        """The last query's index."""
        return range(queries - 1, queries)

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        """Add one layer's row to the step: weights (B, H, 1, K), value (B, G, K, D)."""
        places, table = self._where(layer, first_key, weights.device)
        norms = self._value_norms(layer, value, places, first_key)  # (B, G, n)
        norms = norms.repeat_interleave(weights.shape[1] // norms.shape[1], dim=1)  # (B, H, n)
        row = weights[:, :, 0, places].float() * norms
        row = row / row.sum(-1, keepdim=True).clamp_min(1e-12)
        mean = torch.einsum("gh,bhn->bgn", table, row[:, : table.shape[1]])
        if self._open or not self.steps:
            self.steps.append(mean.new_zeros(row.shape[0], self._groups, len(self.positions)))
            self._open = False
        step = self.steps[-1]
        step[..., len(self.positions) - len(places) :] += mean.to(step.device)

    def _where(self, layer: int, first_key: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The image tokens still among the keys, (n,), and each head's shares, (groups, heads named)."""
        key = (layer, first_key, device)
        if key not in self._sent:
            seen = self.positions[self.positions >= first_key]  # a sliding window drops early tokens
            self._sent = {known: sent for known, sent in self._sent.items() if known[0] != layer}
            self._sent[key] = send(seen - first_key, device), send(self._shares[layer], device)
        return self._sent[key]

    def maps(self, row: int, group: int, length: int) -> npt.NDArray[np.float32]:
        """The first `length` steps of one sequence and one group: (length, N)."""
        if not self.steps:
            return np.zeros((0, len(self.positions)), dtype=np.float32)
        chosen = torch.stack([step[row, group] for step in self.steps[:length]])
        kept: npt.NDArray[np.float32] = chosen.cpu().numpy()
        return kept

    def _value_norms(
        self, layer: int, value: torch.Tensor, places: torch.Tensor, first_key: int
    ) -> torch.Tensor:
        """Norms of the image tokens' value vectors; they do not change while the model writes."""
        known = self._norms.get(layer)
        if known is None or first_key or known.shape[0] != value.shape[0]:
            known = value[:, :, places].float().norm(dim=-1)
            self._norms[layer] = known
        return known


class Together:
    """Several watchers of the last query in one pass."""

    def __init__(self, watchers: Sequence[RowWatcher]) -> None:
        self.watchers = list(watchers)

    def wants(self, layer: int) -> bool:
        """Whether any of them wants rows of this layer."""
        return any(watcher.wants(layer) for watcher in self.watchers)

    def begin_step(self) -> None:
        """Tell all of them that a pass comes."""
        for watcher in self.watchers:
            watcher.begin_step()  # type: ignore[attr-defined]

    def rows(self, first_query: int, queries: int) -> Rows | None:  # noqa: ARG002 - the protocol's
        """The last query's index."""
        return range(queries - 1, queries)

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        """Hand the rows to those that want them."""
        for watcher in self.watchers:
            if watcher.wants(layer):
                watcher.receive(layer, weights, value, first_key)


def _shares_of(groups: Sequence[Sequence[HeadPair]]) -> dict[int, torch.Tensor]:
    """What each head of a layer contributes to each group's mean: layer -> (groups, highest head + 1)."""
    highest: dict[int, int] = {}
    for group in groups:
        for layer, head in group:
            highest[layer] = max(highest.get(layer, 0), head)
    tables = {layer: torch.zeros(len(groups), head + 1) for layer, head in highest.items()}
    for number, group in enumerate(groups):
        heads = {(layer, head) for layer, head in group}
        for layer, head in heads:
            tables[layer][number, head] = 1 / len(heads)
    return tables
