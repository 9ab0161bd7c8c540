"""What a processor does with a picture when it is called: its effective settings.

Knows nothing of token maps.
"""

from __future__ import annotations

import math
from typing import Any


def picture_setting(processor: Any, name: str) -> Any:
    """One effective setting of the picture processor, or None.

    What the processor class passes on in every call beats what the checkpoint's file says.
    """
    passed = processor._merge_kwargs(tokenizer_init_kwargs=processor.tokenizer.init_kwargs)["images_kwargs"]
    value = passed.get(name)
    return getattr(processor.image_processor, name, None) if value is None else value


def side(tokens: int) -> int:
    """Cells a side of a square grid of `tokens`."""
    return math.isqrt(tokens)
