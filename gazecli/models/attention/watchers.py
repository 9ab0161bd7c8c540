"""What is read from attention rows: mass on regions, weighted or not, summed where the row was computed.

A watcher that has all it wants ends the forward pass by raising `Enough`. Knows nothing of scores or of why
somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gazecli.models.attention.gaze_attention import RowWatcher
from gazecli.models.attention.rows import Rows
from gazecli.models.attention.to_device import send


class Enough(Exception):
    """Raised inside a forward pass whose remaining work nobody needs."""


class HeadIndex:
    """Chosen heads of each layer as an index where the layer computes, sent once."""

    def __init__(self, heads: Mapping[int, Sequence[int]]) -> None:
        self._heads = heads
        self._sent: dict[tuple[int, torch.device], torch.Tensor] = {}

    def of(self, layer: int, device: torch.device) -> torch.Tensor:
        """The heads chosen of `layer`: (n,)."""
        if (layer, device) not in self._sent:
            self._sent[layer, device] = send(torch.tensor(list(self._heads[layer])), device)
        return self._sent[layer, device]


class KeysOnly:
    """Reads nothing, and ends the pass when layer `last` has its keys: a prefix is run for its cache."""

    def __init__(self, last: int) -> None:
        self.last = last

    def wants(self, layer: int) -> bool:
        """Whether the pass ends here."""
        return layer == self.last

    def rows(self, first_query: int, queries: int) -> Rows | None:  # noqa: ARG002 - the protocol's
        """End the pass: keys and values are in the cache before rows are asked for."""
        raise Enough

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        """Never called, as no row is asked for."""


class QuestionMass:
    """Sums the attention of several query rows a sequence over regions, the same rows in all.

    membership: (B, S, R), which token of the prefix belongs to which region. `at`: (P,), the rows' indices in
    the pass. With `last`, the pass ends behind that layer. `masses` becomes {layer: (B, H, P, R)}.
    """

    def __init__(self, membership: torch.Tensor, at: torch.Tensor, last: int | None = None) -> None:
        self.membership = membership
        self.at = at
        self.last = last
        self.masses: dict[int, torch.Tensor] = {}

    def wants(self, layer: int) -> bool:  # noqa: ARG002 - the protocol's
        """All layers are read."""
        return True

    def rows(self, first_query: int, queries: int) -> Rows | None:  # noqa: ARG002 - the protocol's
        """The watched rows."""
        return self.at

    def receive(
        self,
        layer: int,
        weights: torch.Tensor,
        value: torch.Tensor,  # noqa: ARG002 - the protocol's
        first_key: int,  # noqa: ARG002 - no key was dropped
    ) -> None:
        """Reduce one layer's rows: weights (B, H, P, K)."""
        shared = self.membership.shape[1]
        self.masses[layer] = weights[..., :shared] @ self.membership[:, None].to(weights.dtype)
        if layer == self.last:
            raise Enough


class RegionMass:
    """Sums the attention of one query row a sequence over regions.

    membership: (B or 1, L, R), which prompt token belongs to which region. `at` gives the absolute position
    of the watched query, a sequence's last query by default. `only` limits the heads read. With `last`,
    the pass ends behind that layer. After each pass `steps` grows by {layer: (B, H, R)}.
    """

    def __init__(
        self,
        membership: torch.Tensor,
        at: torch.Tensor | None = None,
        only: Mapping[int, Sequence[int]] | None = None,
        value_weighted: bool = False,
        last: int | None = None,
    ) -> None:
        self.membership = membership
        self.at = at
        self.last = last
        self.only = only
        self.value_weighted = value_weighted
        self.steps: list[dict[int, torch.Tensor]] = []
        self._norms: dict[int, torch.Tensor] = {}
        self._chosen = HeadIndex(only or {})

    def wants(self, layer: int) -> bool:
        """Whether rows of this layer are to be read."""
        return self.only is None or bool(self.only.get(layer))

    def begin_step(self) -> None:
        """Open the entry that the next forward pass fills."""
        self.steps.append({})

    def rows(self, first_query: int, queries: int) -> Rows | None:
        """The watched query's index in this call."""
        if self.at is None:
            return range(queries - 1, queries)
        return (self.at - first_query)[:, None]

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        """Reduce one layer's row: weights (B, H, 1, K), value (B, G, K, D)."""
        prompt = self.membership.shape[1]
        inside = max(0, min(prompt - first_key, weights.shape[-1]))
        row = weights[:, :, 0, :inside]  # (B, H, inside)
        if self.only is not None:
            row = row[:, self._chosen.of(layer, row.device)]
        if self.value_weighted:
            row = row * self._value_norms(layer, value, inside, weights.shape[1], first_key)
        # The layers of a model spread over devices come together where the membership lies.
        table = self.membership[:, first_key : first_key + inside].to(row.device, row.dtype)
        mass = (row @ table).to(self.membership.device)  # (B, H, R)
        if not self.steps:
            self.begin_step()
        self.steps[-1][layer] = mass
        if layer == self.last:
            raise Enough

    def _value_norms(
        self, layer: int, value: torch.Tensor, inside: int, heads: int, first_key: int
    ) -> torch.Tensor:
        """Norms of the prompt's value vectors, repeated to query heads: (B, H, inside).

        They do not change while the model writes, so they are computed once.
        """
        known = self._norms.get(layer)
        if known is None or known.shape[-1] != inside or first_key:
            norms = value[:, :, :inside].float().norm(dim=-1)
            known = norms.repeat_interleave(heads // value.shape[1], dim=1)
            if self.only is not None:
                known = known[:, self._chosen.of(layer, known.device)]
            self._norms[layer] = known
        return known


class RowKeeper:
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
        self._chosen = HeadIndex(only)
        self.steps: list[dict[int, torch.Tensor]] = []

    def wants(self, layer: int) -> bool:
        """Whether rows of this layer are to be read."""
        return self.first < self.seen <= self.first + self.count and bool(self.only.get(layer))

    def begin_step(self) -> None:
        """Count the forward pass that comes."""
        self.seen += 1
        if self.first < self.seen <= self.first + self.count:
            self.steps.append({})

    def rows(self, first_query: int, queries: int) -> Rows | None:  # noqa: ARG002 - the protocol's
        """The last query's index."""
        return range(queries - 1, queries)

    def receive(
        self,
        layer: int,
        weights: torch.Tensor,
        value: torch.Tensor,  # noqa: ARG002 - the protocol's
        first_key: int,
    ) -> None:
        """Keep one layer's rows: weights (B, H, 1, K)."""
        chosen = self._chosen.of(layer, weights.device)
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


class MapKeeper:
    """Keeps what some watched rows of a batch give to the prompt tokens at `positions`: (n,).

    `rows` are numbers in the batch, counted sequence by sequence and row by row. `layers` grows by
    {layer: (rows, H, n)}, zero where a sliding window has left a token behind.
    """

    def __init__(self, rows: torch.Tensor, positions: torch.Tensor) -> None:
        self.rows = rows
        self.positions = positions
        self.layers: dict[int, torch.Tensor] = {}
        self._places: dict[tuple[object, ...], list[torch.Tensor]] = {}  # the same in every layer

    def beside(self, watcher: RowWatcher, first_row: int = 0) -> RowWatcher:
        """A watcher that reads what `watcher` does; its rows are those of the batch from `first_row` on."""
        return _Beside(self, watcher, first_row)

    def keep(self, layer: int, weights: torch.Tensor, first_key: int, first_row: int) -> None:
        """Take rows (B, H, R, K)."""
        each = weights.shape[2]
        key = (len(weights), each, first_key, first_row, weights.device)
        if key not in self._places:
            last = first_row + len(weights) * each
            here = self.rows[(self.rows >= first_row) & (self.rows < last)] - first_row
            chosen = (here // each, here % each, self.positions - first_key)
            self._places[key] = [send(index, weights.device) for index in chosen]
        sequences, rows, places = self._places[key]
        picked = weights[sequences, :, rows]  # (n, H, K)
        kept = picked[..., places.clamp(min=0)] * (places >= 0)
        before = self.layers.get(layer)
        self.layers[layer] = kept if before is None else torch.cat((before, kept))


@dataclass(frozen=True)
class _Beside:
    keeper: MapKeeper
    watcher: RowWatcher
    first_row: int

    def wants(self, layer: int) -> bool:
        return self.watcher.wants(layer)

    def rows(self, first_query: int, queries: int) -> Rows | None:
        return self.watcher.rows(first_query, queries)

    def receive(self, layer: int, weights: torch.Tensor, value: torch.Tensor, first_key: int) -> None:
        # First, because the other may end the pass here.
        self.keeper.keep(layer, weights, first_key, self.first_row)
        self.watcher.receive(layer, weights, value, first_key)
