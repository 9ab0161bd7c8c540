"""Where does each image token really look? Change a few pixels of the original picture and see.

The whole chain runs: processor, vision tower (its attention replaced by zeros, so that a change stays where
it was made), projector, up to the vectors that enter the language model. What holds for a right token map,
and is checked for every area tried:

1. Nothing but image tokens changes, and no token changes whose box is NaN.
2. Every token that changes looks at the area or just beside it: its box, grown on each side by `smear` of its
   own size and by one pixel, meets the area. (Resizing filters reach over the edge of a cell.)
3. Every token that looks squarely at the area changes: those whose box holds the area's centre and lies over
   at least half of the area in both directions.

Knows nothing of how boxes are computed, and nothing of prompts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AttentionInterface

Area = tuple[int, int, int, int]
Prepare = Callable[[Image.Image], tuple[Mapping[str, Any], Tensor, Tensor]]

SIZES = ((2880, 256), (256, 1440), (300, 300), (640, 480), (37, 53), (1001, 733), (1280, 127), (2000, 1500))


class _Reached(Exception):
    """The language model was reached; nothing behind it is needed."""


def dark_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Dark noise, so that an inverted area differs everywhere by much."""
    pixels = np.random.default_rng(seed).integers(0, 60, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def inverted(picture: Image.Image, area: Area) -> Image.Image:
    """The picture with the pixels of `area` (x0, y0, x1, y1) inverted."""
    pixels = np.array(picture)
    x0, y0, x1, y1 = area
    pixels[y0:y1, x0:x1] = 255 - pixels[y0:y1, x0:x1]
    return Image.fromarray(pixels)


@contextmanager
def local_vision(model: nn.Module) -> Iterator[None]:
    """Vision attention gives zeros: no patch learns of another one."""
    calls = []

    def zeros(_module: nn.Module, query: Tensor, _key: Tensor, value: Tensor, *_a: Any, **_k: Any) -> Any:
        calls.append(1)
        batch, heads, length, _ = query.shape
        return query.new_zeros(batch, length, heads, value.shape[-1]), None

    AttentionInterface.register("zeros", zeros)
    config = model.config.vision_config
    before = config._attn_implementation
    config._attn_implementation = "zeros"
    try:
        yield
        assert calls, "the vision tower did not call the attention interface"
    finally:
        config._attn_implementation = before


def entering_vectors(model: nn.Module, inputs: Mapping[str, Any]) -> Tensor:
    """What enters the language model at each position: (L, D), features added to later layers appended."""
    caught: list[Tensor] = []

    def catch(_module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        vectors = kwargs["inputs_embeds"][0].float()
        later = kwargs.get("deepstack_visual_embeds")
        if later is not None:  # Qwen3-VL: a list of (N, D), rows in the order of the image tokens
            extra = vectors.new_zeros(len(vectors), len(later) * vectors.shape[1])
            extra[kwargs["visual_pos_masks"][0]] = torch.cat([x.float() for x in later], dim=-1)
            vectors = torch.cat([vectors, extra], dim=-1)
        caught.append(vectors)
        raise _Reached

    handle = model.get_decoder().register_forward_pre_hook(catch, with_kwargs=True)
    try:
        with torch.no_grad(), local_vision(model), suppress(_Reached):
            model(**inputs, use_cache=False)
    finally:
        handle.remove()
    return caught[0]


def changed_positions(
    model: nn.Module, prepare: Prepare, picture: Image.Image, area: Area, before: Tensor | None = None
) -> set[int]:
    """Positions of the input sequence whose vectors change when `area` is inverted.

    `before` may carry the vectors of the untouched picture, which then are not computed again.
    """
    if before is None:
        before = entering_vectors(model, prepare(picture)[0])
    after = entering_vectors(model, prepare(inverted(picture, area))[0])
    assert before.shape == after.shape
    different = (before - after).abs().amax(-1) > 1e-5
    return set(different.nonzero().flatten().tolist())


def areas_to_try(boxes: Tensor, width: int, height: int, tries: int, seed: int = 0) -> list[Area]:
    """The inner halves of some cells: the first, the last, and seeded ones in between."""
    seeing = (~boxes.isnan().any(-1)).nonzero().flatten().tolist()
    chosen = [seeing[0], seeing[-1], *np.random.default_rng(seed).choice(seeing, max(0, tries - 2)).tolist()]
    areas = []
    for token in chosen:
        x0, y0, x1, y1 = boxes[token].tolist()
        left, right = _inner(x0, x1, width)
        top, bottom = _inner(y0, y1, height)
        areas.append((left, top, right, bottom))
    return areas


def _inner(start: float, stop: float, limit: int) -> tuple[int, int]:
    quarter = (stop - start) / 4
    first = min(max(0, math.floor(start + quarter)), limit - 1)
    return first, max(first + 1, min(limit, math.ceil(stop - quarter)))


def misplaced(positions: Tensor, boxes: Tensor, area: Area, changed: set[int], smear: float) -> list[str]:
    """What of the three rules does not hold for one area, in words; empty when all is well."""
    complaints = []
    where = {int(position): index for index, position in enumerate(positions)}
    ax0, ay0, ax1, ay1 = area
    for position in sorted(changed):
        if position not in where:
            complaints.append(f"position {position} is no image token and changed")
            continue
        x0, y0, x1, y1 = boxes[where[position]].tolist()
        dx, dy = smear * (x1 - x0) + 1, smear * (y1 - y0) + 1
        # A NaN compares false.
        if not (x0 - dx < ax1 and x1 + dx > ax0 and y0 - dy < ay1 and y1 + dy > ay0):
            complaints.append(f"token {where[position]} changed and looks at {(x0, y0, x1, y1)}")
    for position, index in where.items():
        x0, y0, x1, y1 = boxes[index].tolist()
        centred = x0 <= (ax0 + ax1) / 2 < x1 and y0 <= (ay0 + ay1) / 2 < y1
        wide = 2 * (min(x1, ax1) - max(x0, ax0)) >= ax1 - ax0
        high = 2 * (min(y1, ay1) - max(y0, ay0)) >= ay1 - ay0
        if centred and wide and high and position not in changed:
            complaints.append(f"token {index} looks at {(x0, y0, x1, y1)} and did not change")
    return complaints


def check_token_map(
    model: nn.Module,
    prepare: Prepare,
    picture: Image.Image,
    smear: float = 0.25,
    tries: int = 6,
    seed: int = 0,
) -> int:
    """Try several areas of one picture; raise AssertionError where the token map is wrong.

    `prepare` gives (model inputs, positions (N,), boxes (N, 4) in pixels of the picture it is given). An area
    is the inner half of a cell, at least one pixel. Returns how many areas were tried.
    """
    inputs, positions, boxes = prepare(picture)
    boxes = boxes.double()
    before = entering_vectors(model, inputs)
    areas = areas_to_try(boxes, *picture.size, tries=tries, seed=seed)
    for area in areas:
        changed = changed_positions(model, prepare, picture, area, before)
        complaints = misplaced(positions, boxes, area, changed, smear)
        assert not complaints, f"area {area} of {picture.size}: " + "; ".join(complaints[:5])
    return len(areas)
