"""Which token map belongs to which processor class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gazecli.errors import ModelError
from gazecli.models.layouts.patch_grid import patch_grid
from gazecli.models.layouts.views import Blind, View

Size = tuple[int, int]
TokenMap = Callable[[Any, Any, int, Size], list[View | Blind]]

# Keyed on the processor class: one model type can come with several processors.
TOKEN_MAPS: dict[str, TokenMap] = {
    "Qwen2VLProcessor": patch_grid,
    "Qwen2_5_VLProcessor": patch_grid,
    "Qwen3VLProcessor": patch_grid,
}


def token_map_for(processor: Any, family: str) -> TokenMap:
    """The token map of a processor.

    Raises ModelError when nobody has written one.
    """
    name = type(processor).__name__
    if name not in TOKEN_MAPS:
        raise ModelError(
            f"no token map is known for its processor {name}",
            subject=family,
            hint=f"supported processors: {', '.join(sorted(TOKEN_MAPS))}",
            code="model.unsupported",
        )
    return TOKEN_MAPS[name]
