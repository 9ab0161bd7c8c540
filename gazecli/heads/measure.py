"""Strips become attention masses: read and patched ahead in threads, run in batches that fit the memory.

Each strip's questions share one pass over its picture (`models.inference.shared_prefix`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from gazecli.errors import ComicsError, GazeError, PictureError, RegionError
from gazecli.heads.scores import mapped_question, peaks_at_bottom, spatial_entropy
from gazecli.heads.sums import Float64
from gazecli.models.attention.watchers import MapKeeper
from gazecli.models.inference.batches import BatchLimit, compute_in_parts
from gazecli.models.inference.profile import phase
from gazecli.models.inference.shared_prefix import Questions, ask, last_token_mass
from gazecli.models.token_maps.image_tokens import TokenGrid, token_grid_of
from gazecli.models.token_maps.shared_tokens import sharing_reason
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import Strip

# Where one strip keeps a processor busy, more at once only fall out of its caches; accelerators want many.
_TOKENS_AT_ONCE = {"cpu": 1024}
_TOKENS_ON_ACCELERATOR = 8192
LARGEST_BATCH = 32
_MOST_READERS = 8
# What may wait, read ahead, for the model; at least one strip a reader does.
_WAITING_BYTES, _STAGED_BYTES = 1 << 25, 1 << 29


# A strip's number, and its (L, H, P, P + 4) or why it was skipped.
Measured = tuple[int, Float64 | str]


@dataclass(frozen=True)
class Prepared:
    """A strip ready for the model. `mapped`: the question whose map is kept, if any."""

    number: int
    questions: Questions
    membership: torch.Tensor
    mapped: int | None

    @property
    def bytes(self) -> int:
        """How much memory its patches take while they wait."""
        return sum(part.nbytes for part in self.questions.inputs.values() if torch.is_tensor(part))

    @property
    def tokens(self) -> int:
        """What all its questions and what they share take."""
        return self.questions.shared + sum(len(ids) - self.questions.shared for ids in self.questions.ids)


def measured(
    vlm: VLM, strips: Sequence[tuple[int, Strip]], prompts: Sequence[str], batch_size: int | None
) -> Iterator[list[Measured]]:
    """What is measured of each numbered strip, in order; those computed together in one list.

    The columns are the panels, all image tokens, and of the strip's mapped question the spatial entropy,
    whether the peak lies at the bottom, and 1; zeros for other questions. `batch_size` strips go at a time,
    or as many as fit. Raises GazeError when a single strip does not fit.
    """
    limit = BatchLimit(batch_size or LARGEST_BATCH, None if batch_size else tokens_at_once(vlm.device))
    waiting: list[Prepared] = []
    for prepared in _ahead(vlm, strips, prompts):
        if waiting and (isinstance(prepared, tuple) or not _joins(waiting, prepared, limit)):
            yield _compute(vlm, waiting, limit)
            waiting = []
        if isinstance(prepared, tuple):
            yield [prepared]
        else:
            waiting.append(prepared)
    if waiting:
        yield _compute(vlm, waiting, limit)


def tokens_at_once(device: torch.device) -> int:
    """How many tokens a batch may have where nothing else is asked for."""
    return _TOKENS_AT_ONCE.get(device.type, _TOKENS_ON_ACCELERATOR)


def _joins(waiting: Sequence[Prepared], new: Prepared, limit: BatchLimit) -> bool:
    """Whether `new` can join the batch: of the same size as the others, and not too many."""
    same = waiting[0].questions.key == new.questions.key
    return same and len(waiting) < limit.count_of(new.tokens)


def _compute(vlm: VLM, batch: Sequence[Prepared], limit: BatchLimit) -> list[Measured]:
    """Run a batch, in smaller ones where memory does not suffice."""

    def compute(part: Sequence[Prepared]) -> list[Measured]:
        questions = [prepared.questions for prepared in part]
        memberships = [prepared.membership for prepared in part]
        maps = maps_of(questions, [prepared.mapped for prepared in part])
        by_layer = last_token_mass(vlm, questions, memberships, maps.keeper if maps else None)
        with phase("reduce"):
            numbers = [prepared.number for prepared in part]
            return list(zip(numbers, on_the_host(vlm, by_layer, maps), strict=True))

    alone = GazeError(
        "one strip alone does not fit the device's memory",
        subject=str(vlm.device),
        hint="use a smaller --height, --image-tokens N, --dtype bfloat16, or --device cpu",
        code="discover.memory",
    )
    return compute_in_parts(batch, limit, batch[0].tokens, compute, vlm.device, alone)


def on_the_host(vlm: VLM, by_layer: Mapping[int, torch.Tensor], maps: Maps | None = None) -> list[Float64]:
    """Each strip's (layers, heads, P, R + 3) of a batch; the device is waited for here and nowhere else."""
    layers = sorted(by_layer)
    device = by_layer[layers[0]].device
    kept = [by_layer, maps.keeper.layers] if maps else [by_layer]
    parts = [torch.stack([part[layer].to(device, torch.float32) for layer in layers]) for part in kept]
    joined = torch.cat([part.flatten() for part in parts]).cpu()  # one wait for both
    pieces = joined.split([part.numel() for part in parts])
    fetched = [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
    masses = fetched[0].permute(1, 0, 3, 2, 4).double().numpy()  # (B, layers, H, P, R)
    spread = maps.columns(fetched[1], masses.shape) if maps else np.zeros((*masses.shape[:-1], 3))
    found = []
    for strip in np.concatenate((masses, spread), axis=-1):
        if not np.isfinite(strip).all():
            raise GazeError(
                "the model's attention is not finite",
                subject=vlm.name,
                hint="its weights hold NaN, or overflow: try --dtype float32 or bfloat16",
                code="discover.not_finite",
            )
        full = np.zeros((vlm.layers, vlm.heads, *strip.shape[2:]))
        full[layers, : strip.shape[1]] = strip
        found.append(full)
    return found


def _ahead(
    vlm: VLM, strips: Sequence[tuple[int, Strip]], prompts: Sequence[str]
) -> Iterator[Prepared | tuple[int, str]]:
    """Strips read, decoded and patched in threads, a few ahead of the model; or why they are skipped."""
    busy = vlm.device.type == "cpu"  # the model needs the cores itself
    readers, room = (1, _WAITING_BYTES) if busy else (min(_MOST_READERS, os.cpu_count() or 1), _STAGED_BYTES)
    pool = ThreadPoolExecutor(readers)
    pending = iter(strips)
    queue: deque[Future[Prepared | tuple[int, str]]] = deque()
    most = 1 + readers
    try:
        while True:
            for number, strip in islice(pending, max(0, most - len(queue))):
                # A copy of the context, which holds the profile that the thread books into.
                queue.append(pool.submit(copy_context().run, _prepare, vlm, number, strip, prompts))
            if not queue:
                return
            with phase("wait"):
                prepared = queue.popleft().result()
            if isinstance(prepared, Prepared):
                most = min(LARGEST_BATCH, max(1 + readers, room // max(1, prepared.bytes)))
            yield prepared
    finally:
        # Nobody waits for a picture that is not wanted any more: an interrupt has to end the walk at once.
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare(vlm: VLM, number: int, strip: Strip, prompts: Sequence[str]) -> Prepared | tuple[int, str]:
    try:
        with phase("read"):
            picture = strip.load()
        with phase("patch"):
            questions = ask(vlm, picture, prompts).pinned(vlm.device)
            membership = questions.layout.membership(picture.regions)
            shared = sharing_reason(questions.layout, picture.regions)
            if shared is not None:
                # What is seen at one of them is counted at the other: heads that look there would be credited
                # for a panel that nobody asked about.
                return number, shared
            return Prepared(number, questions, membership, mapped_question(number, len(prompts)))
    except (PictureError, ComicsError, RegionError) as failure:
        return number, failure.message


@dataclass(frozen=True)
class Maps:
    """The maps of one batch: `places` are (strip in the batch, question), in the keeper's order."""

    places: list[tuple[int, int]]
    grid: TokenGrid
    keeper: MapKeeper

    def columns(self, kept: torch.Tensor, shape: Sequence[int]) -> Float64:
        """Entropy, peak at the bottom and 1 where there is a map: (B, layers, H, P, 3), else zeros.

        `kept` is (layers, M, H, n) on the host; `shape` begins with (B, layers, H, P).
        """
        columns = np.zeros((*shape[:4], 3))
        finite = torch.nan_to_num(kept)  # attention that is not finite is refused with the masses
        for number, (strip, question) in enumerate(self.places):
            maps = self.grid.drawn(finite[:, number].flatten(0, 1).numpy())  # (layers * H, rows, columns)
            columns[strip, :, :, question, 0] = spatial_entropy(maps).reshape(shape[1:3])
            columns[strip, :, :, question, 1] = peaks_at_bottom(maps).reshape(shape[1:3])
            columns[strip, :, :, question, 2] = 1.0
        return columns


def maps_of(batch: Sequence[Questions], mapped: Sequence[int | None]) -> Maps | None:
    """What to keep of a batch of equal pictures, one question of `mapped` each; None where none is to be."""
    places = [(strip, question) for strip, question in enumerate(mapped) if question is not None]
    grid = token_grid_of(batch[0].layout) if places else None
    if grid is None:
        return None
    rows = torch.tensor([strip * len(batch[0].ids) + question for strip, question in places])
    positions = batch[0].layout.positions[torch.from_numpy(grid.tokens)]
    return Maps(places, grid, MapKeeper(rows, positions))
