"""The module that turns pixels into features. Knows nothing of language models."""

from __future__ import annotations

from typing import Any


def find_vision_tower(model: Any) -> Any:
    """The module that turns pixels into features, or None."""
    inner = getattr(model, "model", model)
    for name in ("visual", "vision_tower", "vision_model"):
        tower = getattr(inner, name, None)
        if tower is not None:
            return tower
    return None
