"""The long walk: strips become matrices, batched, resumable, the same digits every time.

Each strip's questions share one pass over its picture (`models.questions`); pictures are read and
patched ahead in a thread. Knows nothing of scoring rules beyond calling them, or of the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from gazecli.cache.artifacts import Artifact
from gazecli.cache.store import Cache
from gazecli.errors import ComicsError, GazeError, PictureError, RegionError
from gazecli.heads.accumulation import Float64, Sums
from gazecli.heads.headset import HeadSet
from gazecli.heads.prompts import panel_prompts
from gazecli.heads.request import Settings
from gazecli.heads.scoring import diagonal_mean, split_half, suggest
from gazecli.models.questions import Questions, ask, last_token_mass
from gazecli.models.vlm import VLM
from gazecli.pictures.comics import Comics, Strip

SAVE_EVERY_SECONDS = 5.0
_TOKENS_AT_ONCE = 4096
_LARGEST_BATCH = 32
_AHEAD = 8

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """One strip, ready for the model; or the reason why it is not."""

    questions: Questions | None
    membership: torch.Tensor | None
    reason: str = ""


def walk(
    vlm: VLM,
    comics: Comics,
    settings: Settings,
    cache: Cache | None,
    request: dict[str, Any],
    batch_size: int | None,
    progress: Progress | None = None,
) -> HeadSet:
    """Score every head on every strip.

    Raises ComicsError when no strip could be used, GazeError when a single strip does not fit the device.
    """
    began = time.monotonic()
    kept = cache.progress(request) if cache is not None else None
    sums = _resume(kept.load() if kept is not None else None, vlm, settings.panels)
    resumed_from = sums.done
    prompts = panel_prompts(settings.prompt, settings.panels)
    saved_at = time.monotonic()
    total = len(comics.strips)
    try:
        for masses in _masses(vlm, comics.strips[sums.done :], prompts, batch_size):
            if isinstance(masses, str):
                sums.skip(masses)
            else:
                sums.add(masses, settings.seed)
            if progress is not None:
                progress(sums.done, total)
            if kept is not None and time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                _save(kept, sums)
                saved_at = time.monotonic()
    except BaseException:
        if kept is not None and sums.done > resumed_from:
            _save(kept, sums)
        raise
    if sums.added == 0:
        first = sums.skipped[0][1] if sums.skipped else "it holds no strip"
        raise ComicsError(
            f"no strip could be used ({first})",
            subject=str(comics.path),
            hint="`gaze comics check` lists what is wrong with each",
        )
    headset = _conclude(vlm, comics, settings, sums)
    seconds = time.monotonic() - began
    timing = {
        "seconds": round(seconds, 3),
        "strips_per_second": round((sums.done - resumed_from) / max(seconds, 1e-9), 3),
    }
    headset = replace(headset, resumed_from=resumed_from, timing=timing)
    if cache is None:
        return replace(headset, digest=headset.to_artifact().digest)
    digest, path = cache.put(headset.to_artifact())
    cache.remember(request, digest)
    if kept is not None:
        kept.clear()
    return replace(headset, digest=digest, path=path)


def _masses(
    vlm: VLM, strips: Sequence[Strip], prompts: Sequence[str], batch_size: int | None
) -> Iterator[Float64 | str]:
    """Each strip's (L, H, P, P + 1), in order, or why it was skipped."""
    waiting: list[Prepared] = []
    for prepared in _ahead(vlm, strips, prompts):
        if waiting and not _fits(waiting, prepared, batch_size):
            yield from _compute(vlm, waiting)
            waiting = []
        if prepared.questions is None:
            yield from _compute(vlm, waiting)
            waiting = []
            yield prepared.reason
        else:
            waiting.append(prepared)
    yield from _compute(vlm, waiting)


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


def _compute(vlm: VLM, batch: Sequence[Prepared]) -> Iterator[Float64]:
    """Run a batch; out of memory halves it instead of ending the walk."""
    if not batch:
        return
    questions = [prepared.questions for prepared in batch if prepared.questions is not None]
    memberships = [prepared.membership for prepared in batch if prepared.membership is not None]
    try:
        by_layer = last_token_mass(vlm, questions, memberships)
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
        yield from _compute(vlm, batch[:half])
        yield from _compute(vlm, batch[half:])
        return
    stacked = torch.stack([by_layer[layer] for layer in sorted(by_layer)])  # (layers, B, P, H, R)
    measured = stacked.permute(1, 0, 3, 2, 4).to("cpu", torch.float64).numpy()  # (B, layers, H, P, R)
    for strip in measured:
        if not np.isfinite(strip).all():
            raise GazeError(
                "the model's attention is not finite",
                subject=vlm.name,
                hint="its weights hold NaN, or overflow: try --dtype float32 or bfloat16",
                code="discover.not_finite",
            )
        full = np.zeros((vlm.layers, vlm.heads, *strip.shape[2:]))
        full[sorted(by_layer), : strip.shape[1]] = strip
        yield full


def _ahead(vlm: VLM, strips: Sequence[Strip], prompts: Sequence[str]) -> Iterator[Prepared]:
    """Strips read, decoded and patched in a thread, a few ahead of the model."""
    with ThreadPoolExecutor(1) as reader:
        pending = iter(strips)
        queue = [reader.submit(_prepare, vlm, strip, prompts) for strip in islice(pending, _AHEAD)]
        try:
            while queue:
                prepared = queue.pop(0).result()
                queue += [reader.submit(_prepare, vlm, strip, prompts) for strip in islice(pending, 1)]
                yield prepared
        finally:
            for future in queue:
                future.cancel()


def _prepare(vlm: VLM, strip: Strip, prompts: Sequence[str]) -> Prepared:
    try:
        picture = strip.load()
        questions = ask(vlm, picture, prompts)
        return Prepared(questions, questions.layout.membership(picture.regions))
    except (PictureError, ComicsError, RegionError) as failure:
        return Prepared(None, None, reason=failure.message)


def _resume(saved: Artifact | None, vlm: VLM, panels: int) -> Sums:
    if saved is not None:
        try:
            sums = Sums.restore(saved.header, saved.tensors)
        except (KeyError, TypeError, ValueError):
            sums = None
        if sums is not None and sums.shape.shape == (vlm.layers, vlm.heads, panels, panels):
            return sums
    return Sums.empty(vlm.layers, vlm.heads, panels)


def _save(kept: Any, sums: Sums) -> None:
    header, tensors = sums.state()
    kept.save(Artifact("discovery", header, tensors))


def _conclude(vlm: VLM, comics: Comics, settings: Settings, sums: Sums) -> HeadSet:
    """Scores, suggestion and honesty checks from the sums."""
    tensors = sums.means()
    raw = diagonal_mean(tensors["matrices"])
    bar = float(np.quantile(tensors["null"].max(axis=(1, 2)), 0.95))
    suggestion = suggest(raw, bar)
    halves = split_half(tensors["halves"], suggestion.top)
    header = {
        "model": {
            "name": vlm.name,
            "id": vlm.id,
            "revision": vlm.revision,
            "digest": vlm.digest,
            "family": vlm.family,
            "layers": vlm.layers,
            "heads": vlm.heads,
            "dtype": vlm.dtype,
        },
        "comics": {
            "digest": comics.digest,
            "strips": sums.added,
            "panels": settings.panels,
            "skipped": [{"strip": number, "reason": reason} for number, reason in sums.skipped],
        },
        "settings": {
            "samples": settings.samples if settings.samples is not None else len(comics.strips),
            "panels": settings.panels,
            "height": settings.height,
            "gap": settings.gap,
            "seed": settings.seed,
            "prompt": settings.prompt,
            "layout": comics.layout,
        },
        "suggested": {"score": suggestion.score, "top": suggestion.top, "why": suggestion.why},
        "honesty": {
            "null_95": bar,
            "null_mean": float(tensors["null"].mean()),
            "shuffles": len(tensors["null"]),
            "split_half_r": halves.correlation if halves else None,
            "split_half_overlap": halves.overlap if halves else None,
        },
    }
    return HeadSet.of_tensors(header, tensors)
