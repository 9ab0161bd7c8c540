"""LLaVA-NeXT and LLaVA-OneVision: the whole picture squashed, then a padded grid of tiles as one grid.

The grid keeps the picture's aspect; rows and columns of padding are cut off in cells, and every row ends
with a newline token that carries the image token's id.
"""

from __future__ import annotations

import math
from typing import Any

from gazecli.models.token_maps.views import Axis, Blind, Interval, Size, View, picture_setting

Cells = list[Interval]


def llava_next(processor: Any, inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """The base view, then the grid."""
    tile, patch = int(inputs["pixel_values"].shape[-1]), int(processor.patch_size)
    blind = int(processor.num_additional_image_tokens)
    blind -= processor.vision_feature_select_strategy == "default"
    return [Blind(blind), *_views(processor, size, tile, patch, most_tiles=None)]


def llava_onevision(processor: Any, inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """The same; above so many tiles the grid of cells is shrunk."""
    tile = int(inputs["pixel_values"].shape[-1])
    patch = tile // math.isqrt(processor.num_image_tokens)
    most = int(processor.vision_aspect_ratio.removeprefix("anyres_max_"))
    return _views(processor, size, tile, patch, most)


def tile_of(processor: Any) -> int:
    """The side of a tile in pixels, by the settings alone."""
    crop, size = picture_setting(processor, "crop_size"), picture_setting(processor, "size")
    return int((crop and crop["height"]) or size.get("height") or size["shortest_edge"])


def _views(processor: Any, size: Size, tile: int, patch: int, most_tiles: int | None) -> list[View | Blind]:
    base = [Axis.whole(edge).resized(tile).cells(patch) for edge in size]
    x, y = _padded(processor, size)
    xs, ys = x.cells(patch, tile), y.cells(patch, tile)
    xs, ys = _unpadded(xs, ys, size)
    if most_tiles is not None:
        ratio = math.sqrt(len(xs) * len(ys) / (most_tiles * (tile // patch) ** 2))
        if ratio > 1.1:
            xs, ys = _shrunk(xs, int(len(xs) // ratio)), _shrunk(ys, int(len(ys) // ratio))
    views: list[View | Blind] = [View(*base)]
    for row in ys:
        views += [View(xs, [row]), Blind()]
    return views


def _padded(processor: Any, size: Size) -> tuple[Axis, Axis]:
    """Both directions of the picture resized into the best of the allowed canvases and padded to it."""
    from transformers.image_processing_utils import select_best_resolution

    width, height = size
    high, wide = select_best_resolution((height, width), picture_setting(processor, "image_grid_pinpoints"))
    if wide / width < high / height:
        new = wide, min(math.ceil(height * (wide / width)), high)
    else:
        new = min(math.ceil(width * (high / height)), wide), high
    x, y = (
        Axis.whole(edge).resized(pixels).cut(-((room - pixels) // 2), room)
        for edge, pixels, room in zip(size, new, (wide, high), strict=True)
    )
    return x, y


def _unpadded(xs: Cells, ys: Cells, size: Size) -> tuple[Cells, Cells]:
    """Cells without those that the model takes for padding."""
    width, height = size
    if width / height > len(xs) / len(ys):
        kept = int(round(height * (len(xs) / width), 7))
        padding = (len(ys) - kept) // 2
        return xs, ys[padding : len(ys) - padding]
    kept = int(round(width * (len(ys) / height), 7))
    padding = (len(xs) - kept) // 2
    return xs[padding : len(xs) - padding], ys


def _shrunk(cells: Cells, count: int) -> Cells:
    """`count` equal shares of the cells, which may leave gaps between them."""

    def at(place: float) -> float:
        number = min(int(place), len(cells) - 1)
        start, stop = cells[number]
        return start + (stop - start) * (place - number)

    step = len(cells) / count
    return [(at(i * step), at((i + 1) * step)) for i in range(count)]
