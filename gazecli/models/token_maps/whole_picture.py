"""Token maps of families that show the picture whole, as one grid of cells.

Some keep its aspect; the others put it into a square: squashed, letterboxed, or cropped. Gemma 3 may add
crops of it (pan & scan).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gazecli.models.token_maps.views import Axis, Blind, Size, View, even, picture_setting, whole


def patch_grid(processor: Any, inputs: Any, picture: int, size: Size) -> list[View | Blind]:
    """Qwen-VL and GLM: `image_grid_thw` counts patches; `merge_size` squared patches make a token."""
    merge = int(processor.image_processor.merge_size)
    _, rows, columns = (int(n) for n in inputs["image_grid_thw"][picture])
    return [whole(size, columns // merge, rows // merge)]


def pixtral(processor: Any, inputs: Any, picture: int, size: Size) -> list[View | Blind]:
    """Pixtral and Mistral 3: line breaks have ids of their own and are no image tokens."""
    patch = int(processor.patch_size) * int(processor.spatial_merge_size)
    rows, columns = (int(n) // patch for n in inputs["image_sizes"][picture])
    return [whole(size, columns, rows)]


def positioned(processor: Any, inputs: Any, picture: int, size: Size) -> list[View | Blind]:
    """Gemma 4: each patch comes with its column and row, padding with -1; squares of them are pooled."""
    kernel = int(processor.image_processor.pooling_kernel_size)
    columns, rows = (int(last) + 1 for last in inputs["image_position_ids"][picture].amax(0))
    return [whole(size, columns // kernel, rows // kernel)]


def squashed(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """PaliGemma: the whole picture in a square, aspect not kept."""
    cells = math.isqrt(processor.image_seq_length)
    return [whole(size, cells, cells)]


def pan_and_scan(processor: Any, inputs: Any, picture: int, size: Size) -> list[View | Blind]:
    """Gemma 3: the whole picture squashed, then with pan & scan crops along its longer side."""
    views = squashed(processor, inputs, picture, size)
    if not picture_setting(processor, "do_pan_and_scan"):
        return views
    width, height = size
    limits = ("min_crop_size", "max_num_crops", "min_ratio_to_activate")
    shadow = np.broadcast_to(np.zeros(1, dtype=np.uint8), (1, height, width))  # has a shape, takes no room
    crops = processor.image_processor.pan_and_scan(
        shadow, *(picture_setting(processor, f"pan_and_scan_{limit}") for limit in limits)
    )
    cells, left, top = math.isqrt(processor.image_seq_length), 0, 0
    for crop in crops:
        high, wide = crop.shape[1:]
        views.append(View(even(left, left + wide, cells), even(top, top + high, cells)))
        left, top = (left + wide, top) if width >= height else (left, top + high)
    return views


def letterboxed(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """DeepSeek-VL and Janus: the longer side fills the square, the rest is padding on both sides."""
    target = int(picture_setting(processor, "size")["height"])
    least = int(picture_setting(processor, "min_size"))
    cells = math.isqrt(processor.num_image_tokens)
    axes = []
    for edge in size:
        axis = Axis.whole(edge).resized(max(round(edge * target / max(size)), least))
        axes.append(axis.cut(-((target - axis.pixels) // 2), target))
    return [View(*(even(axis.start, axis.stop, cells) for axis in axes))]


def llava(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """LLaVA 1.5: padded to a square or not, resized, cropped or not; a class token may come first."""
    x, y = (Axis.whole(edge) for edge in size)
    if picture_setting(processor, "do_pad"):
        longest = max(size)
        x, y = (axis.cut(-((longest - axis.pixels) // 2), longest) for axis in (x, y))
    x, y = _resized(x, y, picture_setting(processor, "size"))
    if picture_setting(processor, "do_center_crop"):
        crop = picture_setting(processor, "crop_size")
        x, y = x.centred(int(crop["width"])), y.centred(int(crop["height"]))
    patch = int(processor.patch_size)
    blind = int(processor.num_additional_image_tokens)
    blind -= processor.vision_feature_select_strategy == "default"
    return [Blind(blind), View(x.cells(patch), y.cells(patch))]


def _resized(x: Axis, y: Axis, size: Any) -> tuple[Axis, Axis]:
    shortest = size.get("shortest_edge")
    if shortest is None:
        return x.resized(int(size["width"])), y.resized(int(size["height"]))
    short = min(x.pixels, y.pixels)
    return tuple(axis.resized(int(int(shortest) * axis.pixels / short)) for axis in (x, y))  # type: ignore[return-value]
