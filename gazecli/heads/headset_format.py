"""What a stored head set must be before it is used: its tensors fit together, its header is whole.

Two forms are stored. A measured head set has matrices, shapes, image_mass, halves and null, and may have
image_z and spatial; an imported ranking has scores and which heads it lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gazecli.cache.artifact import Artifact
from gazecli.errors import HeadSetError
from gazecli.heads.scores import SCORE_NAMES

KIND = "headset"
TENSORS = ("matrices", "shapes", "image_mass", "halves", "null")
# What later versions keep beside them; no shares of attention.
LATER = ("image_z", "spatial")
RANKED = frozenset({"scores", "listed"})
MOST_PANELS = 100
# Attention sums to one; what float32 adds up may lie a little above.
_MOST = 1.0 + 1e-3

Tensors = Mapping[str, npt.NDArray[Any]]


def check_stored(artifact: Artifact, digest: str) -> None:
    """Raise HeadSetError when `artifact` is no head set, or one that cannot have come from gaze."""
    names = set(artifact.tensors)
    measured = set(TENSORS) <= names <= {*TENSORS, *LATER}
    if artifact.kind != KIND or not (measured or names == RANKED):
        raise _malformed("not a head set", digest)
    check = _measured if measured else _ranked
    layers, heads = check(artifact.tensors, digest)
    _check_header(artifact.header, layers, heads, digest)


def _measured(tensors: Tensors, digest: str) -> tuple[int, int]:
    matrices = tensors["matrices"]
    if matrices.ndim != 4 or not all(matrices.shape) or matrices.shape[2] != matrices.shape[3]:
        raise _malformed("this head set's matrices have no right shape", digest)
    shapes = {
        "matrices": matrices.shape,
        "shapes": matrices.shape,
        "image_mass": matrices.shape[:2],
        "halves": (2, *matrices.shape),
        "null": (*tensors["null"].shape[:1], *matrices.shape[:2]),
    }
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32 or tensor.shape != shape or not tensor.size:
            raise _malformed(f"this head set's {name} do not fit its matrices", digest)
        # Written so that a NaN is outside.
        if not bool(((tensor >= 0) & (tensor <= _MOST)).all()):
            raise _malformed(f"this head set's {name} hold what is no share of attention", digest)
    for name, shape in {"image_z": matrices.shape[:2], "spatial": (2, *matrices.shape[:2])}.items():
        later = tensors.get(name)
        if later is not None and (
            later.shape != shape or later.dtype != np.float32 or not np.isfinite(later).all()
        ):
            raise _malformed(f"this head set's {name} do not fit its matrices", digest)
    if matrices.shape[2] > MOST_PANELS:
        raise _malformed(f"this head set has more than {MOST_PANELS} panels", digest)
    return matrices.shape[0], matrices.shape[1]


def _ranked(tensors: Tensors, digest: str) -> tuple[int, int]:
    scores, listed = tensors["scores"], tensors["listed"]
    if scores.ndim != 2 or scores.dtype != np.float32 or listed.shape != scores.shape:
        raise _malformed("this ranking's scores have no right shape", digest)
    if listed.dtype != np.bool_ or not listed.any() or not np.isfinite(scores).all():
        raise _malformed("this ranking lists no heads, or scores that are no finite numbers", digest)
    return scores.shape[0], scores.shape[1]


def _check_header(header: Mapping[str, Any], layers: int, heads: int, digest: str) -> None:
    blocks = {name: header.get(name) for name in ("model", "comics", "settings", "suggested")}
    for name, block in blocks.items():
        if not isinstance(block, dict):
            raise _malformed(f"this head set's header has no {name}", digest)
    model, comics, settings, suggested = (dict(block or {}) for block in blocks.values())
    texts = [model.get(name) for name in ("name", "id", "digest", "family", "dtype")]
    numbers = [settings.get(name) for name in ("height", "gap")]
    fits = (
        all(isinstance(text, str) for text in [*texts, comics.get("digest"), suggested.get("why")])
        and (model.get("layers"), model.get("heads")) == (layers, heads)
        and all(_whole(number) for number in [*numbers, comics.get("strips"), suggested.get("top")])
        and suggested.get("score") in SCORE_NAMES
        and 1 <= suggested["top"] <= layers * heads
        and _skips(comics.get("skipped", []))
        and _honest(header.get("honesty"))
    )
    if not fits:
        raise _malformed("this head set's header is malformed", digest)


def _skips(listed: object) -> bool:
    return isinstance(listed, list) and all(
        isinstance(skip, dict) and _whole(skip.get("strip")) and isinstance(skip.get("reason"), str)
        for skip in listed
    )


def _honest(block: object) -> bool:
    if block is None:
        return True
    if not isinstance(block, dict):
        return False
    figures = [block.get(name) for name in ("null_95", "null_mean")]
    agreement = [block.get("split_half_r"), block.get("split_half_overlap")]
    return (
        all(isinstance(figure, int | float) for figure in figures)
        and _whole(block.get("shuffles"))
        and (agreement == [None, None] or (isinstance(agreement[0], int | float) and _whole(agreement[1])))
    )


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _malformed(message: str, digest: str) -> HeadSetError:
    hint = "discover it again, or import it from a good copy"
    return HeadSetError(message, subject=digest, hint=hint, code="headset.malformed")
