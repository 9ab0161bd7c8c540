"""The long walk: strips become matrices, resumable, the same digits every time.

Knows nothing of how strips are read and batched (`heads.measuring`), of scoring rules beyond calling
them, or of the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gazecli.cache.artifacts import Artifact
from gazecli.cache.store import Cache
from gazecli.errors import ComicsError
from gazecli.heads.accumulation import Sums
from gazecli.heads.headset import HeadSet
from gazecli.heads.measuring import measured
from gazecli.heads.prompts import panel_prompts
from gazecli.heads.request import Settings
from gazecli.heads.scoring import diagonal_mean, split_half, suggest
from gazecli.models.profile import Profile, phase
from gazecli.models.vlm import VLM
from gazecli.pictures.comics import Comics

SAVE_EVERY_SECONDS = 5.0

Progress = Callable[[int, int], None]


def walk(
    vlm: VLM,
    comics: Comics,
    settings: Settings,
    cache: Cache | None,
    request: dict[str, Any],
    batch_size: int | None,
    progress: Progress | None = None,
    profile: Profile | None = None,
) -> HeadSet:
    """Score every head on every strip; with `profile`, the timing tells where the time went.

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
        for masses in measured(vlm, comics.strips[sums.done :], prompts, batch_size, profile):
            if isinstance(masses, str):
                sums.skip(masses)
            else:
                with phase(profile, "reduce"):
                    sums.add(masses, settings.seed)
            if progress is not None:
                progress(sums.done, total)
            if kept is not None and time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                with phase(profile, "store"):
                    _save(kept, sums)
                saved_at = time.monotonic()
    except BaseException:
        if kept is not None and sums.done > resumed_from:
            _save(kept, sums)
        raise
    if sums.added == 0:
        first = sums.skipped[0][1] if sums.skipped else "it holds no strip"
        raise ComicsError(f"no strip could be used ({first})", subject=str(comics.path))
    headset = _conclude(vlm, comics, settings, sums)
    with phase(profile, "store"):
        headset = _stored(headset, cache, request, kept)
    seconds = time.monotonic() - began
    timing: dict[str, Any] = {
        "seconds": round(seconds, 3),
        "strips_per_second": round((sums.done - resumed_from) / max(seconds, 1e-9), 3),
    }
    if profile is not None:
        timing["profile"] = profile.rounded()
    return replace(headset, resumed_from=resumed_from, timing=timing)


def _stored(headset: HeadSet, cache: Cache | None, request: dict[str, Any], kept: Any) -> HeadSet:
    """The head set with its digest, kept under it where there is a cache."""
    if cache is None:
        return replace(headset, digest=headset.to_artifact().digest)
    digest, path = cache.put(headset.to_artifact())
    cache.remember(request, digest)
    kept.clear()
    return replace(headset, digest=digest, path=path)


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
