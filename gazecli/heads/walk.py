"""Discovery's walk over the strips: strips become sums, sums become a head set.

It is resumable and may be shared by several processes; the digits are the same every time. `heads.measure`
reads and batches the strips.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from gazecli.cache.artifact import Artifact
from gazecli.cache.partial_results import PartialResults
from gazecli.cache.store import Cache
from gazecli.dependencies import versions_of
from gazecli.distributed.group import ALONE, Group
from gazecli.heads.headset import HeadSet
from gazecli.heads.request import Request
from gazecli.heads.scores import diagonal_mean, split_half, suggest
from gazecli.heads.sums import Sums
from gazecli.models.inference.profile import phase
from gazecli.models.vlm import VLM

SAVE_EVERY_SECONDS = 5.0
KIND = "discovery"  # of partial results

Progress = Callable[[int, int], None]


def walk(
    vlm: VLM,
    request: Request,
    cache: Cache,
    batch_size: int | None,
    progress: Progress | None = None,
    group: Group = ALONE,
) -> HeadSet:
    """Score every head on every strip; the processes of `group` share the strips, and all get the head set.

    A list of texts counts as a strip. Raises what `nothing_usable` gives when no strip could be used,
    GazeError when a single strip does not fit the device.
    """
    began = time.monotonic()
    document = request.document
    partial = cache.partial_results(document)
    sums = Sums.empty(vlm.layers, vlm.heads, request.panels)
    if group.is_first:
        sums = resume(partial, sums)
    walked = group.from_first(lambda: set(sums.walked))
    numbers = group.share([number for number in range(request.count) if number not in walked])
    own = partial.part(group.rank)
    sums = _walk_share(vlm, request, numbers, batch_size, sums, own, len(walked), progress)
    with phase("reduce"):
        sums = total(group, sums)
    if sums.added == 0:
        first = sums.skipped[min(sums.skipped)] if sums.skipped else "it holds no strip"
        raise request.nothing_usable(first)
    headset = _conclude(vlm, request, sums)
    with phase("store"):
        stored = group.from_first(lambda: _store(headset, cache, document))
        own.clear()  # on a machine with a cache of its own the first process does not see it
    seconds = time.monotonic() - began
    timing = {
        "seconds": round(seconds, 3),
        "strips_per_second": round((sums.done - len(walked)) / max(seconds, 1e-9), 3),
    }
    return replace(stored, resumed_from=len(walked), timing=timing)


def _walk_share(
    vlm: VLM,
    request: Request,
    numbers: Sequence[int],
    batch_size: int | None,
    sums: Sums,
    partial: PartialResults,
    before: int,
    progress: Progress | None,
) -> Sums:
    """`sums` with the strips `numbers`, saved every few seconds and whenever something stops.

    `before`: how many strips were walked before, by all processes.
    """
    saved_at, saved = time.monotonic(), sums.done
    shown = before - sums.done
    if progress is not None:
        progress(before, before + len(numbers))  # from here on it takes time
    try:
        for batch in request.measured(vlm, numbers, batch_size):
            # A new sum: an interrupt, which comes between any two steps, never finds half of one. And whole
            # batches: a resumed walk cuts the rest into the batches that an uninterrupted one would.
            with phase("reduce"):
                sums = sums.with_batch(batch, request.seed)
            if progress is not None:
                progress(shown + sums.done, before + len(numbers))
            if time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                with phase("store"):
                    save(partial, sums)
                saved_at, saved = time.monotonic(), sums.done
    finally:
        # At the end too: another process may still stop before its own share is done.
        if sums.done > saved:
            save(partial, sums)
    return sums


def _store(headset: HeadSet, cache: Cache, document: Mapping[str, Any]) -> HeadSet:
    digest, path = cache.put(headset.to_artifact())
    cache.remember(document, digest)
    cache.partial_results(document).clear_parts()
    return replace(headset, digest=digest, path=path)


def _conclude(vlm: VLM, request: Request, sums: Sums) -> HeadSet:
    """Scores, suggestion and honesty checks from the sums."""
    tensors = sums.means()
    raw = diagonal_mean(tensors["matrices"])
    bar = float(np.quantile(tensors["null"].max(axis=(1, 2)), 0.95))
    found_on = request.found_on(vlm, sums)
    suggestion = suggest(raw, bar, "texts" if found_on.get("kind") == "text" else "comics")
    halves = split_half(tensors["halves"], suggestion.top)
    header = {
        "model": {
            **vlm.lasting_names(),
            "digest": vlm.digest,
            "family": vlm.family,
            "layers": vlm.layers,
            "heads": vlm.heads,
            "dtype": vlm.dtype,
            **({"template": vlm.template} if vlm.template else {}),
        },
        **found_on,
        "suggested": asdict(suggestion),
        "honesty": {
            "null_95": bar,
            "null_mean": float(tensors["null"].mean()),
            "shuffles": len(tensors["null"]),
            "split_half_r": halves.correlation if halves else None,
            "split_half_overlap": halves.overlap if halves else None,
        },
        # Other releases add up in another order, and give another digest anyway.
        "versions": versions_of("torch", "transformers"),
    }
    return HeadSet.of_tensors(header, tensors)


def resume(partial: PartialResults, empty: Sums) -> Sums:
    """The sums of an interrupted walk, of all its processes together; `empty` when there are none.

    They become the first process's part, whichever number of processes goes on. A part that holds a
    strip of another, or is not of the shape of `empty`, is left out and walked again.
    """
    parts = partial.parts()
    saved = [found for part in parts if (found := _read(part, empty))]
    sums = empty
    for found in sorted(saved, key=lambda found: -found.done):
        sums.join(found)
    if len(parts) > 1 and sums.done > 0:
        save(partial, sums)
    for part in parts[1:]:
        part.clear()
    return sums


def save(partial: PartialResults, sums: Sums) -> None:
    """Save what was added so far."""
    header, tensors = sums.state()
    partial.save(Artifact(KIND, header, tensors))


def total(group: Group, own: Sums) -> Sums:
    """The sums of all processes, the same in each."""
    if group.size == 1:
        return own
    _, tensors = own.state()
    summed = {name: group.sum(tensor) for name, tensor in tensors.items()}
    facts = group.gather((own.counts, own.walked, own.skipped))
    return Sums(
        **summed,
        counts=[sum(counts) for counts in zip(*(counts for counts, _, _ in facts), strict=True)],
        walked=set().union(*(walked for _, walked, _ in facts)),
        skipped={number: reason for _, _, skipped in facts for number, reason in skipped.items()},
    )


def _read(part: PartialResults, like: Sums) -> Sums | None:
    saved = part.load()
    if saved is None or saved.kind != KIND:
        return None
    try:
        sums = Sums.restore(saved.header, saved.tensors)
    except (KeyError, TypeError, ValueError):
        return None
    same = all(sums.state()[1][name].shape == tensor.shape for name, tensor in like.state()[1].items())
    return sums if same else None
