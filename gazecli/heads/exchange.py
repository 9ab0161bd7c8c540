"""Head sets come in and go out: as gaze's own artifacts, and as rankings that others wrote or can read.

A ranking says nothing of the model it belongs to, so it is bound to one that is named; that model's config is
read, never its weights' values. Knows nothing of how heads are scored.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gazecli.cache.file_digests import file_digest
from gazecli.cache.files import read_whole, write_whole
from gazecli.cache.store import Cache
from gazecli.errors import GazeError, HeadSetError, UsageError
from gazecli.heads.headset import HeadSet
from gazecli.heads.ranking_file import Ranked, ranking_text, read_ranking
from gazecli.heads.scoring import Floats, ranking, suggest_unmeasured
from gazecli.heads.shelf import note_headset
from gazecli.models.catalogue import lasting_names, published_top
from gazecli.models.checkpoints import Checkpoint, find_checkpoint
from gazecli.models.dimensions import Dimensions, read_dimensions

# What a ranking does not say is taken from the paper's recipe: panels a strip, their height, the gap.
_RECIPE = {"panels": 6, "height": 256, "gap": 6}
_UNKNOWN = "unknown"


def import_ranking(path: Path, model: str, cache: Cache) -> HeadSet:
    """Bind the ranking in a JSON file to a model on this machine, and keep it as that model's newest set.

    Raises HeadSetError when the file is no ranking or names heads the model has not, ModelError when the
    model is not here.
    """
    lines, data = read_ranking(path)
    checkpoint = find_checkpoint(model, fetch=False)
    checkpoint.require_weights()
    size = read_dimensions(checkpoint)
    scores = np.zeros((size.layers, size.heads), np.float32)
    listed = np.zeros((size.layers, size.heads), np.bool_)
    for line in lines:
        if line.layer >= size.layers or line.head >= size.heads:
            raise HeadSetError(
                f"layer {line.layer} head {line.head} does not exist in {checkpoint.name}",
                subject=str(path),
                hint=f"it has {size.layers} layers of {size.heads} heads, counted from 0: "
                "name the model the ranking was made for",
                code="headset.head",
            )
        scores[line.layer, line.head], listed[line.layer, line.head] = line.score, True
    header = {
        "model": _model(checkpoint, size, cache),
        "comics": {"digest": _UNKNOWN, "strips": 0, "panels": _RECIPE["panels"], "skipped": []},
        "settings": {"samples": None, "seed": 0, "prompt": "", "layout": None, **_RECIPE},
        "suggested": _suggested(scores[listed], size, checkpoint.id),
        "ranking": {"sha256": hashlib.sha256(data).hexdigest(), "heads": len(lines)},
    }
    digest, kept = cache.put(HeadSet.of_ranking(header, scores, listed).to_artifact())
    headset = HeadSet.of_ranking(header, scores, listed, digest=digest, path=kept)
    note_headset(cache, headset, model)
    return headset


def export_ranking(headset: HeadSet, destination: Path, *, overwrite: bool = False) -> Path:
    """Write a head set's ranking by its suggested score, into a file or a folder; returns the file.

    Raises UsageError when the file exists or its folder does not, GazeError when writing fails.
    """
    scores = headset.scores(headset.resolve_score())
    best = [Ranked(*pair, float(scores[pair])) for pair in ranking(scores) if np.isfinite(scores[pair])]
    name = f"headset-{headset.digest.removeprefix('sha256:')}.json"
    target = destination / name if os.path.isdir(destination) else destination
    data = ranking_text(best).encode("utf-8")
    if not os.path.isdir(target.parent):
        raise UsageError("no such folder", subject=str(target.parent), hint="make it first")
    if os.path.lexists(target) and not overwrite:
        with suppress(OSError):
            if read_whole(target, len(data)) == data:
                return target
        raise UsageError("it exists already", subject=str(target), hint="add --force to replace it")
    try:
        write_whole(target, data)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        message = f"cannot write ({reason})"
        raise GazeError(
            message,
            subject=str(target),
            code="output.unwritable",
            hint="choose another place, or make room there",
        ) from error
    return target


def _model(checkpoint: Checkpoint, size: Dimensions, cache: Cache) -> dict[str, Any]:
    digest = checkpoint.digest(lambda file: file_digest(file, cache.root))
    local = checkpoint.name == checkpoint.folder.name
    return {
        **lasting_names(checkpoint.id, checkpoint.revision, size.family, digest, local=local),
        "digest": digest,
        "family": size.family,
        "layers": size.layers,
        "heads": size.heads,
        "dtype": _UNKNOWN,
    }


def _suggested(scores: Floats, size: Dimensions, model_id: str) -> dict[str, Any]:
    """The paper's K where it has one for the model and the ranking is as long, else what the scores tell."""
    best = published_top(model_id)
    if best is not None and best <= scores.size:
        why = f"{best} heads steered best in the paper. Not yet tested by steering here"
        return {"score": "raw", "top": best, "why": why}
    return asdict(suggest_unmeasured(scores, size.layers * size.heads))
