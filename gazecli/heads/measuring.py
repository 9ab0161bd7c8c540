"""Strips become masses: read and patched ahead in threads, batched, halved where memory ends.

Each strip's questions share one pass over its picture (`models.questions`). Knows nothing of sums, scores
or of what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from gazecli.errors import ComicsError, GazeError, PictureError, RegionError
from gazecli.heads.accumulation import Float64
from gazecli.heads.mapping import maps_of
from gazecli.models.questions import Questions, ask, last_token_mass
from gazecli.models.vlm import VLM
from gazecli.pictures.comics import Strip

_TOKENS_AT_ONCE = 4096
_LARGEST_BATCH = 32
_AHEAD = 8


@dataclass(frozen=True)
class Prepared:
    """One strip, ready for the model; or the reason why it is not. `mapped`: the question mapped, if any."""

    questions: Questions | None
    membership: torch.Tensor | None
    mapped: int | None = None
    reason: str = ""


def measured(
    vlm: VLM,
    strips: Sequence[Strip],
    prompts: Sequence[str],
    batch_size: int | None,
    mapped: Sequence[int | None] | None = None,
) -> Iterator[list[Float64 | str]]:
    """Each strip's (L, H, P, P + 4), in order, or why it was skipped; those computed together in one list.

    The columns are the panels, all image tokens, and of the question in `mapped` (one a strip) the spatial
    entropy, whether the peak lies at the bottom, and 1; zeros for other questions.
    """
    waiting: list[Prepared] = []
    for prepared in _ahead(vlm, strips, prompts, mapped or [None] * len(strips)):
        if waiting and (prepared.questions is None or not _fits(waiting, prepared, batch_size)):
            yield _compute(vlm, waiting)
            waiting = []
        if prepared.questions is None:
            yield [prepared.reason]
        else:
            waiting.append(prepared)
    if waiting:
        yield _compute(vlm, waiting)


def _fits(waiting: Sequence[Prepared], prepared: Prepared, batch_size: int | None) -> bool:
    """Whether `prepared` can join the batch."""
    first, new = waiting[0].questions, prepared.questions
    if first is None or new is None or first.key != new.key:
        return False
    if batch_size is not None:
        return len(waiting) < batch_size
    tails = max(len(ids) for ids in first.ids) - first.shared
    tokens = first.shared + len(first.ids) * tails
    return len(waiting) < min(_LARGEST_BATCH, max(1, _TOKENS_AT_ONCE // tokens))


def _compute(vlm: VLM, batch: Sequence[Prepared]) -> list[Float64 | str]:
    """Run a batch; out of memory halves it instead of ending the walk."""
    questions = [prepared.questions for prepared in batch if prepared.questions is not None]
    memberships = [prepared.membership for prepared in batch if prepared.membership is not None]
    maps = maps_of(questions, [prepared.mapped for prepared in batch])
    try:
        by_layer = last_token_mass(vlm, questions, memberships, maps.keeper if maps else None)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise GazeError(
                "one strip alone does not fit the device's memory",
                subject=str(vlm.device),
                hint="use a smaller --height, --dtype bfloat16, or --device cpu",
                code="discover.memory",
            ) from None
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return _compute(vlm, batch[:half]) + _compute(vlm, batch[half:])
    stacked = torch.stack([by_layer[layer] for layer in sorted(by_layer)])  # (layers, B, P, H, R)
    masses = stacked.permute(1, 0, 3, 2, 4).to("cpu", torch.float64).numpy()  # (B, layers, H, P, R)
    spread = maps.columns(masses.shape, sorted(by_layer)) if maps else np.zeros((*masses.shape[:-1], 3))
    found: list[Float64 | str] = []
    for strip in np.concatenate((masses, spread), axis=-1):
        if not np.isfinite(strip).all():
            raise GazeError(
                "the model's attention is not finite",
                subject=vlm.name,
                hint="its weights hold NaN, or overflow: try --dtype float32 or bfloat16",
                code="discover.not_finite",
            )
        full = np.zeros((vlm.layers, vlm.heads, *strip.shape[2:]))
        full[sorted(by_layer), : strip.shape[1]] = strip
        found.append(full)
    return found


def _ahead(
    vlm: VLM, strips: Sequence[Strip], prompts: Sequence[str], mapped: Sequence[int | None]
) -> Iterator[Prepared]:
    """Strips read, decoded and patched in a thread, a few ahead of the model."""
    reader = ThreadPoolExecutor(1)
    try:
        pending = zip(strips, mapped, strict=True)
        queue = [reader.submit(_prepare, vlm, *each, prompts) for each in islice(pending, _AHEAD)]
        while queue:
            prepared = queue.pop(0).result()
            queue += [reader.submit(_prepare, vlm, *each, prompts) for each in islice(pending, 1)]
            yield prepared
    finally:
        # Nobody waits for a picture that is not wanted any more: an interrupt has to end the walk at once.
        reader.shutdown(wait=False, cancel_futures=True)


def _prepare(vlm: VLM, strip: Strip, mapped: int | None, prompts: Sequence[str]) -> Prepared:
    try:
        picture = strip.load()
        questions = ask(vlm, picture, prompts)
        return Prepared(questions, questions.layout.membership(picture.regions), mapped)
    except (PictureError, ComicsError, RegionError) as failure:
        return Prepared(None, None, reason=failure.message)
