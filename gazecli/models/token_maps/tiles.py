"""Token maps of families that cut a stretched picture into equal tiles and add a view of the whole.

The number of tiles does not reach the model inputs; it is computed again as the processor did. Molmo 2 joins
its tiles and pools their patches.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from gazecli.models.token_maps.views import Axis, Blind, Interval, Size, View, even, picture_setting, whole


def internvl(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """InternVL: tiles, then the whole."""
    columns, rows = _canvas(processor, size)
    return _tiles(size, columns, rows, math.isqrt(processor.image_seq_length))


def aya_vision(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """Aya Vision: tiles, then the whole; `patch_size` holds the downsampling already."""
    columns, rows = _canvas(processor, size)
    return _tiles(size, columns, rows, processor.img_size // processor.patch_size)


def cohere2_vision(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """Cohere 2 Vision: tiles, then the whole; `patch_size` means tokens a side of a tile."""
    columns, rows = _canvas(processor, size)
    return _tiles(size, columns, rows, int(processor.patch_size))


def lfm2_vl(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """LFM2-VL: a picture of moderate size as it is, its aspect kept; a large one in tiles, then so."""
    rules, (width, height) = processor.image_processor, size
    names = ("max_image_tokens", "encoder_patch_size", "downsample_factor", "max_pixels_tolerance")
    limits = {name: picture_setting(processor, name) for name in names}
    token = int(limits["encoder_patch_size"]) * int(limits["downsample_factor"])
    tolerance = limits.pop("max_pixels_tolerance")
    least = picture_setting(processor, "min_image_tokens")
    wide, high = rules.smart_resize(height, width, min_image_tokens=least, **limits)
    everything = whole(size, wide // token, high // token)
    few, most = (picture_setting(processor, f"{limit}_tiles") for limit in ("min", "max"))
    splits = picture_setting(processor, "do_image_splitting") and not few == most == 1
    large = rules._is_image_too_large(height, width, max_pixels_tolerance=tolerance, **limits)
    if not (splits and large):
        return [everything]
    tile = int(picture_setting(processor, "tile_size"))
    columns, rows = rules._get_grid_layout(height, width, few, most, tile)[:2]
    if columns * rows == 1:
        return [everything]
    views = _grid(
        size, columns, rows, math.ceil(tile // limits["encoder_patch_size"] / limits["downsample_factor"])
    )
    return [*views, everything] if picture_setting(processor, "use_thumbnail") else views


def ovis2(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """Ovis 2: the whole, then tiles; wide pictures come in tall grids, and so they are mapped."""
    columns, rows = _canvas(processor, size)
    most = picture_setting(processor, "max_patches")
    crops = picture_setting(processor, "crop_to_patches") and most > 1
    if crops and picture_setting(processor, "use_covering_area_grid"):
        covering = _rules(processor).get_min_tile_covering_grid
        columns, rows = covering(
            (size[1], size[0]),
            target_patch_size=int(picture_setting(processor, "size")["height"]),
            max_image_tiles=most,
        )
    return _tiles(size, columns, rows, math.isqrt(processor.image_seq_length), whole_first=True)


def idefics(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """Idefics 3 and SmolVLM: the longer side to a fixed length, stretched to whole tiles, then the whole."""
    columns, rows = 0, 0
    if picture_setting(processor, "do_image_splitting"):
        tile = int(picture_setting(processor, "max_image_size")["longest_edge"])
        width, height = _longest_edge(processor, size)
        aspect = width / height
        if width >= height:
            columns = math.ceil(width / tile)
            rows = math.ceil(int(columns * tile / aspect) / tile)
        else:
            rows = math.ceil(height / tile)
            columns = math.ceil(int(rows * tile * aspect) / tile)
    return _tiles(size, columns, rows, math.isqrt(processor.image_seq_len))


def molmo2(processor: Any, _inputs: Any, _picture: int, size: Size) -> list[View | Blind]:
    """The low-resolution view first; rows end with `<im_col>`, which has an id of its own."""
    crop = int(picture_setting(processor, "size")["height"])
    patch = int(picture_setting(processor, "patch_size"))
    *_, high, wide = _rules(processor).compute_crop_geometry(
        size[1],
        size[0],
        max_crops=picture_setting(processor, "max_crops"),
        overlap_margins=picture_setting(processor, "overlap_margins"),
        crop_size=crop,
        patch_size=patch,
    )
    pool_high, pool_wide = picture_setting(processor, "pooling_size")
    x, y = (Axis.whole(edge) for edge in size)
    return [
        View(_pooled(x.resized(across), patch, pool_wide), _pooled(y.resized(down), patch, pool_high))
        for across, down in ((crop, crop), (wide, high))
    ]


def _longest_edge(processor: Any, size: Size) -> Size:
    """Idefics' first resize: (width, height)."""
    if not picture_setting(processor, "do_resize"):
        return size
    rules = _rules(processor)
    longest = int(picture_setting(processor, "size")["longest_edge"])
    height, width = rules._resize_output_size_rescale_to_max_len(size[1], size[0], max_len=longest)
    height, width = rules._resize_output_size_scale_below_upper_bound(
        height, width, max_len=rules.MAX_IMAGE_SIZE
    )
    return width, height


def _canvas(processor: Any, size: Size) -> tuple[int, int]:
    """Columns and rows of tiles whose aspect comes closest."""
    most = picture_setting(processor, "max_patches")
    if not picture_setting(processor, "crop_to_patches") or most <= 1:
        return 1, 1
    tile = picture_setting(processor, "size")
    columns, rows = _rules(processor).get_optimal_tiled_canvas(
        (size[1], size[0]),
        (int(tile["height"]), int(tile["width"])),
        picture_setting(processor, "min_patches"),
        most,
    )
    return int(columns), int(rows)


def _rules(processor: Any) -> Any:
    """The module of the picture processor, where its rules are written as functions."""
    return sys.modules[type(processor.image_processor).__module__]


def _tiles(
    size: Size, columns: int, rows: int, cells: int, *, whole_first: bool = False
) -> list[View | Blind]:
    """Views of all tiles, row by row, with the whole picture first or last; one tile is the whole."""
    everything = whole(size, cells, cells)
    views = _grid(size, columns, rows, cells) if columns * rows > 1 else []
    return [everything, *views] if whole_first else [*views, everything]


def _grid(size: Size, columns: int, rows: int, cells: int) -> list[View | Blind]:
    """Views of equal tiles, row by row."""
    width, height = size
    return [
        View(even(x0, x1, cells), even(y0, y1, cells))
        for y0, y1 in even(0, height, rows)
        for x0, x1 in even(0, width, columns)
    ]


def _pooled(axis: Axis, patch: int, pool: int) -> list[Interval]:
    """Cells of `pool` patches; a row of patches that is no multiple of it is padded on both sides."""
    patches = axis.pixels // patch
    padding = -patches % pool
    starts = range(-(padding // 2), patches + padding - padding // 2, pool)
    return [(axis.at(max(start, 0) * patch), axis.at(min(start + pool, patches) * patch)) for start in starts]
