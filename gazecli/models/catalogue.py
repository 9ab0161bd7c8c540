"""Short names of checkpoints: a table of aliases, with what the paper published about them.

A row is here only when its family's token map is proven. Knows nothing of loading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TINY = "tiny"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Published:
    """Redirection accuracy in per cent with the best `top` heads, and with as many others [P]."""

    top: int
    gaze: float
    control: float


@dataclass(frozen=True)
class Entry:
    """A checkpoint with a short name; `id` is its name on the Hub; `tiny` is in the package."""

    alias: str
    id: str
    family: str
    layers: int
    heads: int
    published: Published | None = None


CATALOGUE: tuple[Entry, ...] = (
    Entry(TINY, TINY, "qwen2_vl", 4, 8),
    Entry("qwen2-vl-2b", "Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl", 28, 12),
    Entry("qwen2-vl-7b", "Qwen/Qwen2-VL-7B-Instruct", "qwen2_vl", 28, 28, Published(90, 66.2, 0.0)),
    Entry("qwen2-vl-72b", "Qwen/Qwen2-VL-72B-Instruct", "qwen2_vl", 80, 64),
    Entry("qwen2.5-vl-3b", "Qwen/Qwen2.5-VL-3B-Instruct", "qwen2_5_vl", 36, 16),
    Entry("qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_5_vl", 28, 28),
    Entry("qwen2.5-vl-32b", "Qwen/Qwen2.5-VL-32B-Instruct", "qwen2_5_vl", 64, 40),
    Entry("qwen2.5-vl-72b", "Qwen/Qwen2.5-VL-72B-Instruct", "qwen2_5_vl", 80, 64),
    Entry("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl", 28, 16, Published(10, 68.6, 1.3)),
    Entry("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", "qwen3_vl", 36, 32, Published(75, 72.9, 1.5)),
    Entry("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl", 36, 32, Published(100, 83.1, 14.6)),
    Entry("qwen3-vl-32b", "Qwen/Qwen3-VL-32B-Instruct", "qwen3_vl", 64, 64, Published(500, 70.2, 12.0)),
)


def resolve_alias(name: str) -> str | None:
    """The Hub id of an alias (in any case), a Hub id as it is, or None for what is neither."""
    for entry in CATALOGUE:
        if entry.alias == name.lower():
            return entry.id
    return name if _HUB_ID.fullmatch(name) else None
