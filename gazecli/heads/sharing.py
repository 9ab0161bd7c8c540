"""A walk that several processes share, or that goes on where one was interrupted: whose sums become one.

Knows nothing of how strips become sums.
"""

from __future__ import annotations

import numpy as np

from gazecli.cache.artifact import Artifact
from gazecli.cache.partial_results import Progress
from gazecli.distributed.group import Group
from gazecli.heads.accumulation import Sums

KIND = "discovery"


def taken_up(kept: Progress, nothing: Sums) -> Sums:
    """What an interrupted walk had added up, all its processes together, `nothing` when there is none.

    It becomes the first process's part, whoever goes on: any number of processes may. A part that holds a
    strip of another, or is not of this shape, is left out and walked again.
    """
    read = [_read(part, nothing) for part in kept.parts()]
    parts = [found for found in read if found is not None]
    sums = nothing
    for found in sorted(parts, key=lambda found: -found.done):
        sums.join(found)
    others = kept.parts()[1:]
    if others and sums.done > 0:
        keep(kept, sums)
    for part in others:
        part.clear()
    return sums


def keep(kept: Progress, sums: Sums) -> None:
    """Put down what was added so far."""
    header, tensors = sums.state()
    kept.save(Artifact(KIND, header, tensors))


def total(group: Group, mine: Sums) -> Sums:
    """The sums of all processes, the same in each."""
    if group.count == 1:
        return mine
    _, tensors = mine.state()
    flat = group.sum(np.concatenate([tensor.ravel() for tensor in tensors.values()]))
    ends = np.cumsum([tensor.size for tensor in tensors.values()])
    pieces = np.split(flat, ends[:-1])
    summed = {name: piece.reshape(tensors[name].shape) for name, piece in zip(tensors, pieces, strict=True)}
    facts = group.gather((mine.counts, mine.walked, mine.skipped))
    return Sums(
        **summed,
        counts=[sum(counts) for counts in zip(*(counts for counts, _, _ in facts), strict=True)],
        walked=set().union(*(walked for _, walked, _ in facts)),
        skipped={number: reason for _, _, skipped in facts for number, reason in skipped.items()},
    )


def _read(part: Progress, like: Sums) -> Sums | None:
    saved = part.load()
    if saved is None or saved.kind != KIND:
        return None
    try:
        sums = Sums.restore(saved.header, saved.tensors)
    except (KeyError, TypeError, ValueError):
        return None
    same = all(sums.state()[1][name].shape == tensor.shape for name, tensor in like.state()[1].items())
    return sums if same else None
