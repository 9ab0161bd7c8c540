"""Where image tokens really look: pixels of a picture are changed, and the tokens that change are compared
with their boxes.

Processor, vision tower and projector run for real; vision attention gives zeros, so that a change stays where
it was made, and nothing behind the first layer's input is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import AttentionInterface

from gazecli.errors import CheckFailed
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

Area = tuple[int, int, int, int]

# Resizing filters, and second resizes, reach this many cells over the edge of a cell.
_SMEAR = 1.0
# Changes smaller than this share of the largest one are rounding.
_ROUNDING = 1e-3


class _Reached(Exception):
    """The language model was reached."""


@dataclass(frozen=True)
class Trial:
    """One area (x0, y0, x1, y1) of the picture that was inverted, and the positions that changed."""

    area: Area
    changed: frozenset[int]


def perturb(vlm: VLM, picture: Picture, prompt: str, tries: int = 6) -> tuple[ImageLayout, list[Trial]]:
    """Invert the middles of some cells, one at a time, and see which positions change.

    The picture should be dark, so that inverting changes every pixel. Raises CheckFailed when vision
    attention cannot be set aside.
    """
    inputs, layout = vlm.prepare(picture, prompt)
    before = _entering_vectors(vlm, inputs)
    trials = []
    for area in _middles(layout.boxes, picture.width, picture.height, tries):
        after = _entering_vectors(vlm, vlm.prepare(_inverted(picture, area), prompt)[0])
        difference = (after - before).abs().amax(-1)  # (L,)
        moved = difference > max(1e-5, _ROUNDING * float(difference.max()))
        trials.append(Trial(area, frozenset(moved.nonzero().flatten().tolist())))
    return layout, trials


def misfit(positions: torch.Tensor, boxes: torch.Tensor, trial: Trial) -> str | None:
    """What is wrong with boxes (N, 4) under one trial, in words; None when they fit.

    A token that changed must look at the area or just beside it, a token that looks squarely at the area
    (its box holds the area's centre and lies over half of it in both directions) must change, and nothing
    but image tokens may change.
    """
    where = {int(position): index for index, position in enumerate(positions)}
    left, top, right, bottom = trial.area
    for position in sorted(trial.changed):
        if position not in where:
            return f"position {position} holds no image token, yet it changed with {trial.area}"
        x0, y0, x1, y1 = boxes[where[position]].tolist()
        dx, dy = _SMEAR * (x1 - x0) + 1, _SMEAR * (y1 - y0) + 1
        # A NaN compares false.
        if not (x0 - dx < right and x1 + dx > left and y0 - dy < bottom and y1 + dy > top):
            mapped = _words(boxes[where[position]])
            return f"image token {where[position]} changed with {trial.area} and is mapped to {mapped}"
    for position, index in where.items():
        x0, y0, x1, y1 = boxes[index].tolist()
        centred = x0 <= (left + right) / 2 < x1 and y0 <= (top + bottom) / 2 < y1
        wide = 2 * (min(x1, right) - max(x0, left)) >= right - left
        high = 2 * (min(y1, bottom) - max(y0, top)) >= bottom - top
        if centred and wide and high and position not in trial.changed:
            mapped = _words(boxes[index])
            return f"image token {index} is mapped to {mapped} and did not change with {trial.area}"
    return None


def diagnosis(layout: ImageLayout, trials: list[Trial]) -> str | None:
    """What is wrong with a single grid of boxes: the order its cells have, and the one that fits."""
    boxes = layout.boxes
    x0, y0, x1, y1 = boxes.double().T.numpy()
    if boxes.isnan().any() or len(np.unique(x0)) * len(np.unique(y0)) != len(boxes):
        return None
    # np.lexsort goes by the last key first.
    rows, columns, mirrored, flipped = map(np.lexsort, ((x0, y0), (y0, x0), (-x1, y0), (x0, -y1)))
    wrongs = (
        (rows, columns, "the map exchanges rows and columns"),
        (rows, mirrored, "the map mirrors the picture"),
        (rows, flipped, "the map is upside down"),
    )
    for one, other, words in wrongs:
        for has, should in ((one, other), (other, one)):
            fits = (misfit(layout.positions, boxes[should], trial) is None for trial in trials)
            if (has == np.arange(len(boxes))).all() and all(fits):
                return words
    return None


def _words(box: torch.Tensor) -> str:
    return "no pixel" if box.isnan().any() else f"({', '.join(f'{edge:.0f}' for edge in box.tolist())})"


def _middles(boxes: torch.Tensor, width: int, height: int, tries: int) -> list[Area]:
    """The inner halves of some cells: the first, the last, and seeded ones in between."""
    seeing = (~boxes.isnan().any(-1)).nonzero().flatten().tolist()
    between = np.random.default_rng(0).choice(seeing, max(0, tries - 2)).tolist()
    areas = []
    for token in [seeing[0], seeing[-1], *between]:
        x0, y0, x1, y1 = boxes[token].tolist()
        left, right = _inner_half(x0, x1, width)
        top, bottom = _inner_half(y0, y1, height)
        areas.append((left, top, right, bottom))
    return areas


def _inner_half(start: float, stop: float, limit: int) -> tuple[int, int]:
    quarter = (stop - start) / 4
    first = min(max(0, math.floor(start + quarter)), limit - 1)
    return first, max(first + 1, min(limit, math.ceil(stop - quarter)))


def _inverted(picture: Picture, area: Area) -> Picture:
    left, top, right, bottom = area
    pixels = np.array(picture.image)
    pixels[top:bottom, left:right] = 255 - pixels[top:bottom, left:right]
    return Picture.from_image(Image.fromarray(pixels))


@torch.inference_mode()
def _entering_vectors(vlm: VLM, inputs: Any) -> torch.Tensor:
    """What enters the language model at each position, features added to later layers appended: (L, D)."""
    caught: list[torch.Tensor] = []

    def catch(_module: nn.Module, _args: Any, given: dict[str, Any]) -> None:
        vectors = given["inputs_embeds"][0].float()
        later = given.get("deepstack_visual_embeds")
        if later is not None:  # a list of (N, D), a row for each image token
            extra = vectors.new_zeros(len(vectors), len(later) * vectors.shape[1])
            extra[given["visual_pos_masks"][0]] = torch.cat([part.float() for part in later], dim=-1)
            vectors = torch.cat((vectors, extra), dim=-1)
        caught.append(vectors.cpu())
        raise _Reached

    handle = vlm.decoder.register_forward_pre_hook(catch, with_kwargs=True)
    vlm.forget_positions()
    try:
        with _local_vision(vlm), suppress(_Reached):
            vlm.model(**inputs, use_cache=False)
    finally:
        handle.remove()
    return caught[0]


@contextmanager
def _local_vision(vlm: VLM) -> Iterator[None]:
    """Vision attention gives zeros inside: no patch learns of another one."""
    calls: list[int] = []

    def zeros(
        _module: nn.Module, query: torch.Tensor, _key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, None]:
        calls.append(1)
        batch, heads, length, _size = query.shape
        return query.new_zeros(batch, length, heads, value.shape[-1]), None

    config = getattr(vlm.model.config, "vision_config", None)
    if config is None:
        raise _unreachable(vlm)
    AttentionInterface.register("gaze_zeros", zeros)
    before = config._attn_implementation
    config._attn_implementation = "gaze_zeros"
    try:
        yield
    finally:
        config._attn_implementation = before
    if not calls:
        raise _unreachable(vlm)


def _unreachable(vlm: VLM) -> CheckFailed:
    return CheckFailed(
        "its vision attention cannot be set aside, so the token map cannot be checked",
        subject=vlm.name,
        hint="its vision tower does not use the attention interface of transformers",
        code="doctor.vision",
    )
