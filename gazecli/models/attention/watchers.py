"""Watchers of attention rows, which reduce them where the layer computes: to masses, maps and shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from gazecli.models.attention.gaze_attention import Enough, RowWatcher, WatchedRows
from gazecli.models.attention.rows import Rows
from gazecli.models.devices import send


class KeysOnly(RowWatcher):
    """Reads nothing, and ends the pass when layer `last` has its keys: a prefix is run for its cache."""

    def __init__(self, last: int) -> None:
        self.last = last

    def wants(self, layer: int, /) -> bool:
        """Whether the pass ends here."""
        return layer == self.last

    def rows(self, _queries: range, /) -> Rows:
        """End the pass: keys and values are in the cache before rows are read."""
        raise Enough


class RegionMass(RowWatcher):
    """Sums the attention of query rows over regions.

    membership: (B or 1, L, R), which of the first L tokens belongs to which region. at: absolute positions of
    the watched queries, (P,) for the same in all sequences or (B, P); the last query by default. With `last`,
    the pass ends behind that layer. `masses` becomes {layer: (B, H, P, R)}.
    """

    def __init__(
        self, membership: torch.Tensor, at: torch.Tensor | None = None, last: int | None = None
    ) -> None:
        self.membership = membership
        self.at = at
        self.last = last
        self.masses: dict[int, torch.Tensor] = {}

    def rows(self, queries: range, /) -> Rows:
        """The watched queries' indices in this call."""
        return super().rows(queries) if self.at is None else self.at - queries.start

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Reduce one layer's rows."""
        keys = rows.weights.shape[-1]
        table = self.membership[:, None, rows.first_key : rows.first_key + keys]
        weights = rows.weights[..., : table.shape[2]]
        # The layers of a model spread over devices come together where the membership lies.
        mass = weights @ table.to(weights.device, weights.dtype)
        self.masses[layer] = mass.to(self.membership.device)
        if layer == self.last:
            raise Enough


class RowKeeper(RowWatcher):
    """Keeps whole rows of chosen heads over the prompt's tokens, for a few steps.

    Steps `first` to `first + count` are kept, each as {layer: (B, H, L)} where it was computed.
    """

    def __init__(
        self, only: Mapping[int, Sequence[int]], length: int, first: int = 0, count: int = 1
    ) -> None:
        self.only = only
        self.length = length
        self.first = first
        self.count = count
        self.seen = 0
        self.steps: list[dict[int, torch.Tensor]] = []
        self._chosen: dict[tuple[int, torch.device], torch.Tensor] = {}  # heads, where their layer computes

    def begin_step(self) -> None:
        """Count the forward pass that begins."""
        self.seen += 1
        if self.first < self.seen <= self.first + self.count:
            self.steps.append({})

    def wants(self, layer: int, /) -> bool:
        """Whether rows of this layer are to be read."""
        return self.first < self.seen <= self.first + self.count and bool(self.only.get(layer))

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Keep one layer's rows."""
        weights, first_key = rows.weights, rows.first_key
        if (layer, weights.device) not in self._chosen:
            self._chosen[layer, weights.device] = send(torch.tensor(list(self.only[layer])), weights.device)
        chosen = self._chosen[layer, weights.device]
        row = weights[:, chosen, 0, : max(0, self.length - first_key)]
        kept = row.new_zeros(*row.shape[:2], self.length)
        kept[..., first_key : first_key + row.shape[-1]] = row
        self.steps[-1][layer] = kept

    def fetched(self) -> list[dict[int, torch.Tensor]]:
        """The kept steps on the CPU."""
        return [{layer: row.cpu() for layer, row in step.items()} for step in self.steps]

    def image_rows(self, positions: torch.Tensor) -> npt.NDArray[np.float32]:
        """Mean over the kept steps of the attention on image tokens: (B, heads, N)."""
        if not self.steps:
            return np.zeros((0, 0, 0), dtype=np.float32)
        steps = [torch.cat([step[layer] for layer in sorted(step)], dim=1) for step in self.fetched()]
        mean = torch.stack(steps).mean(0)[:, :, positions]
        rows: npt.NDArray[np.float32] = mean.float().numpy()
        return rows


class MapKeeper(RowWatcher):
    """Keeps the attention of some watched rows of a batch on the prompt tokens at `positions`: (n,).

    `rows_kept` are numbers in the batch, counted sequence by sequence and row by row; the pass that comes
    begins with number `first_row`. `layers` grows by {layer: (rows, H, n)}, zero where a sliding window has
    left a token behind.
    """

    def __init__(self, rows_kept: torch.Tensor, positions: torch.Tensor) -> None:
        self.rows_kept = rows_kept
        self.positions = positions
        self.first_row = 0
        self.layers: dict[int, torch.Tensor] = {}
        self._places: dict[tuple[object, ...], list[torch.Tensor]] = {}  # the same in every layer

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Keep what is wanted of one layer's rows."""
        weights, first_key = rows.weights, rows.first_key
        each = weights.shape[2]
        key = (len(weights), each, first_key, self.first_row, weights.device)
        if key not in self._places:
            here = self.rows_kept - self.first_row
            here = here[(here >= 0) & (here < len(weights) * each)]
            chosen = (here // each, here % each, self.positions - first_key)
            self._places[key] = [send(index, weights.device) for index in chosen]
        sequences, which, places = self._places[key]
        picked = weights[sequences, :, which]  # (n, H, K)
        kept = picked[..., places.clamp(min=0)] * (places >= 0)
        before = self.layers.get(layer)
        self.layers[layer] = kept if before is None else torch.cat((before, kept))


class Together(RowWatcher):
    """Several watchers in one pass: they receive the rows that the last of them reads, it last."""

    def __init__(self, watchers: Sequence[RowWatcher]) -> None:
        self.watchers = list(watchers)

    def begin_step(self) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.begin_step()

    def wants(self, layer: int, /) -> bool:
        """Whether any of them wants rows of this layer."""
        return any(watcher.wants(layer) for watcher in self.watchers)

    def rows(self, queries: range, /) -> Rows:
        """Those of the last watcher."""
        return self.watchers[-1].rows(queries)

    def receive(self, layer: int, rows: WatchedRows, /) -> None:
        """Pass the rows on to those that want them."""
        for watcher in self.watchers:
            if watcher.wants(layer):
                watcher.receive(layer, rows)


class ValueWeightedAttention(RowWatcher):
    """Keeps, pass by pass, how groups of heads spread their value-weighted attention over the image tokens.

    An image token weighs its attention times the norm of its value vector (arXiv 2606.14703, tracking).
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
        if not self.steps[:length]:
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
