"""A broken torchvision is worse than none: it is found and set aside before transformers is imported.

Knows nothing of models.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from typing import Literal


@cache
def torchvision_state() -> Literal["absent", "working", "broken"]:
    """Try torchvision once; a broken one is hidden from every later import.

    A build that does not match torch fails at import (`operator torchvision::nms does not exist`), yet
    transformers would believe it present and fail in its model classes.
    """
    if importlib.util.find_spec("torchvision") is None:
        return "absent"
    try:
        importlib.import_module("torchvision")
    except Exception:  # noqa: BLE001 - whatever a broken binary raises, the answer is the same
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]
        _forget_in_transformers()
        return "broken"
    return "working"


def _forget_in_transformers() -> None:
    checks = sys.modules.get("transformers.utils.import_utils")
    for check in ("is_torchvision_available", "is_torchvision_v2_available"):
        remembered = getattr(checks, check, None)
        if remembered is not None and hasattr(remembered, "cache_clear"):
            remembered.cache_clear()
