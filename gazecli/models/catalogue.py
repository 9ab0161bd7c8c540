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
    Entry("internvl3.5-8b", "OpenGVLab/InternVL3_5-8B-HF", "internvl", 36, 32, Published(140, 62.7, 31.0)),
    Entry("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 32, 32),
    Entry("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", "llava", 40, 40, Published(160, 39.0, 13.8)),
    Entry(
        "llava-next-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", "llava_next", 32, 32, Published(100, 35.3, 26.7)
    ),
    Entry("llava-onevision-7b", "llava-hf/llava-onevision-qwen2-7b-ov-hf", "llava_onevision", 28, 28),
    Entry("gemma3-4b", "google/gemma-3-4b-it", "gemma3", 34, 8),
    Entry("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "smolvlm", 24, 32),
)


def resolve_alias(name: str) -> str | None:
    """The Hub id of an alias (in any case), a Hub id as it is, or None for what is neither."""
    for entry in CATALOGUE:
        if entry.alias == name.lower():
            return entry.id
    return name if _HUB_ID.fullmatch(name) else None


def lasting_name(model_id: str) -> str:
    """What a model is called in what is kept: its alias where it has one, however it was asked for."""
    return next((entry.alias for entry in CATALOGUE if entry.id == model_id), model_id)
