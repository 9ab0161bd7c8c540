"""Key-value caches: what a prefix left behind, and the same for several rows.

Knows nothing of prompts.
"""

from __future__ import annotations

from typing import Any

import torch


def empty_cache(decoder: Any) -> Any:
    """A cache that fits the decoder's layers: windows, recurrent states and shared keys included."""
    from transformers import DynamicCache

    return DynamicCache(config=decoder.config)


def repeat_rows(cache: Any, rows: int, copies: int) -> None:
    """Give each of `rows` sequences `copies` neighbouring rows.

    Reordering does it for layers with recurrent states too, which know no repetition.
    """
    if copies > 1:
        cache.reorder_cache(torch.arange(rows).repeat_interleave(copies))
