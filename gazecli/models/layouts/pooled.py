"""Molmo 2: the whole picture squashed, then the picture stretched over a canvas of overlapping crops.

Where crops overlap each patch of the canvas is taken from one of them only, so the canvas is one grid.
"""

from __future__ import annotations

import sys
from typing import Any

from gazecli.models.layouts.frames import Axis, Interval, whole
from gazecli.models.layouts.settings import picture_setting
from gazecli.models.layouts.views import Blind, View

Size = tuple[int, int]


def molmo2(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """The low-resolution view first; rows end with `<im_col>`, which has an id of its own."""
    crop = int(picture_setting(processor, "size")["height"])
    patch = int(picture_setting(processor, "patch_size"))
    rules = sys.modules[type(processor.image_processor).__module__]
    *_, high, wide = rules.compute_crop_geometry(
        size[1],
        size[0],
        max_crops=picture_setting(processor, "max_crops"),
        overlap_margins=picture_setting(processor, "overlap_margins"),
        crop_size=crop,
        patch_size=patch,
    )
    pool_high, pool_wide = picture_setting(processor, "pooling_size")
    x, y = whole(size[0]), whole(size[1])
    return [
        View(_pooled(x.resized(across), patch, pool_wide), _pooled(y.resized(down), patch, pool_high))
        for across, down in ((crop, crop), (wide, high))
    ]


def _pooled(axis: Axis, patch: int, pool: int) -> list[Interval]:
    """Cells of `pool` patches; a row of patches that is no multiple of it is padded on both sides."""
    patches = axis.pixels // patch
    padding = -patches % pool
    starts = range(-(padding // 2), patches + padding - padding // 2, pool)
    return [(axis.at(max(start, 0) * patch), axis.at(min(start + pool, patches) * patch)) for start in starts]
