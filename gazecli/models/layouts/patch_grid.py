"""Qwen-VL and its kin: the whole picture, resized to whole patches, as one grid.

`image_grid_thw` counts patches; `merge_size` squared patches make a token.
"""

from __future__ import annotations

from typing import Any

from gazecli.models.layouts.views import Blind, View, even


def patch_grid(processor: Any, inputs: Any, picture: int, size: tuple[int, int]) -> list[View | Blind]:
    """One view of rows x columns merged cells over the whole picture of `size` (width, height)."""
    merge = int(processor.image_processor.merge_size)
    _, rows, columns = (int(n) for n in inputs["image_grid_thw"][picture])
    width, height = size
    return [View(even(0, width, columns // merge), even(0, height, rows // merge))]
