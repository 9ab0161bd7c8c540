"""Families that resize the whole picture to whole patches, its aspect kept, and see it as one grid.

How many patches came out is among the model inputs.
"""

from __future__ import annotations

from typing import Any

from gazecli.models.layouts.views import Blind, View, even


def patch_grid(processor: Any, inputs: Any, picture: int, size: tuple[int, int]) -> list[View | Blind]:
    """Qwen-VL and GLM: `image_grid_thw` counts patches; `merge_size` squared patches make a token."""
    merge = int(processor.image_processor.merge_size)
    _, rows, columns = (int(n) for n in inputs["image_grid_thw"][picture])
    width, height = size
    return [View(even(0, width, columns // merge), even(0, height, rows // merge))]


def pixtral(processor: Any, inputs: Any, picture: int, size: tuple[int, int]) -> list[View | Blind]:
    """Pixtral and Mistral 3: line breaks have ids of their own and are no image tokens."""
    patch = int(processor.patch_size) * int(processor.spatial_merge_size)
    rows, columns = (int(n) // patch for n in inputs["image_sizes"][picture])
    width, height = size
    return [View(even(0, width, columns), even(0, height, rows))]


def positioned(processor: Any, inputs: Any, picture: int, size: tuple[int, int]) -> list[View | Blind]:
    """Gemma 4: each patch comes with its column and row, padding with -1; squares of them are pooled."""
    kernel = int(processor.image_processor.pooling_kernel_size)
    columns, rows = (int(last) + 1 for last in inputs["image_position_ids"][picture].amax(0))
    width, height = size
    return [View(even(0, width, columns // kernel), even(0, height, rows // kernel))]
