"""Short names of checkpoints: a table of aliases, with what the paper published about them.

A row is here only when its family's token map is proven, or with a note that says why it is refused.
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
    """A checkpoint with a short name; `id` is its name on the Hub; `tiny` is in the package.

    `note`: what keeps it from running, where something does. `unchecked`: layers and heads were not compared
    with a published config.json, as tests/models/test_catalogue.py does with the others. toy: it knows no
    pictures but drawn comic strips.
    """

    alias: str
    id: str
    family: str
    layers: int
    heads: int
    published: Published | None = None
    note: str | None = None
    unchecked: bool = False
    toy: bool = False


_NEEDS_TORCHVISION = "needs torchvision"
_OWN_CODE = "refused: its own code puts pictures in behind the prompt"


CATALOGUE: tuple[Entry, ...] = (
    Entry(TINY, TINY, "qwen2_vl", 4, 8, toy=True),
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
    Entry("qwen3-vl-30b-a3b", "Qwen/Qwen3-VL-30B-A3B-Instruct", "qwen3_vl_moe", 48, 32, unchecked=True),
    Entry("qwen3.5-9b", "Qwen/Qwen3.5-9B", "qwen3_5", 32, 16),
    Entry("qwen3.5-35b-a3b", "Qwen/Qwen3.5-35B-A3B", "qwen3_5_moe", 40, 16),
    Entry("glm-4.1v-9b", "zai-org/GLM-4.1V-9B-Thinking", "glm4v", 40, 32),
    Entry("glm-4.5v", "zai-org/GLM-4.5V", "glm4v_moe", 46, 96),
    Entry("glm-4.6v-flash", "zai-org/GLM-4.6V-Flash", "glm46v", 40, 32, unchecked=True),
    Entry("internvl3.5-1b", "OpenGVLab/InternVL3_5-1B-HF", "internvl", 28, 16, unchecked=True),
    Entry("internvl3.5-2b", "OpenGVLab/InternVL3_5-2B-HF", "internvl", 28, 16, unchecked=True),
    Entry("internvl3.5-4b", "OpenGVLab/InternVL3_5-4B-HF", "internvl", 36, 32, unchecked=True),
    Entry(
        "internvl3.5-8b",
        "OpenGVLab/InternVL3_5-8B-HF",
        "internvl",
        36,
        32,
        Published(140, 62.7, 31.0),
        unchecked=True,
    ),
    Entry("internvl3.5-14b", "OpenGVLab/InternVL3_5-14B-HF", "internvl", 40, 40, unchecked=True),
    Entry(
        "ovis1.5-8b",
        "AIDC-AI/Ovis1.5-Llama3-8B",
        "ovis",
        32,
        32,
        Published(100, 68.7, 13.0),
        _OWN_CODE,
        unchecked=True,
    ),
    Entry("ovis2-1b", "thisisiron/Ovis2-1B-hf", "ovis2", 24, 14, unchecked=True),
    Entry("ovis2-2b", "thisisiron/Ovis2-2B-hf", "ovis2", 28, 12, unchecked=True),
    Entry("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 32, 32),
    Entry(
        "llava-1.5-13b",
        "llava-hf/llava-1.5-13b-hf",
        "llava",
        40,
        40,
        Published(160, 39.0, 13.8),
        unchecked=True,
    ),
    Entry(
        "llava-next-7b",
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "llava_next",
        32,
        32,
        Published(100, 35.3, 26.7),
        unchecked=True,
    ),
    Entry("llava-next-13b", "llava-hf/llava-v1.6-vicuna-13b-hf", "llava_next", 40, 40, unchecked=True),
    Entry(
        "llava-onevision-7b",
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "llava_onevision",
        28,
        28,
        unchecked=True,
    ),
    Entry(
        "bunny-3b",
        "BAAI/Bunny-v1_0-3B",
        "bunny-phi",
        32,
        32,
        Published(10, 8.3, 0.0),
        _OWN_CODE,
        unchecked=True,
    ),
    Entry("gemma3-4b", "google/gemma-3-4b-it", "gemma3", 34, 8),
    Entry("gemma3-12b", "google/gemma-3-12b-it", "gemma3", 48, 16),
    Entry("gemma3-27b", "google/gemma-3-27b-it", "gemma3", 62, 32),
    Entry("paligemma-3b", "google/paligemma-3b-mix-224", "paligemma", 18, 8),
    Entry("paligemma2-3b", "google/paligemma2-3b-mix-224", "paligemma", 26, 8),
    Entry("idefics3-8b", "HuggingFaceM4/Idefics3-8B-Llama3", "idefics3", 32, 32, unchecked=True),
    Entry("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "smolvlm", 24, 32, unchecked=True),
    Entry("pixtral-12b", "mistral-community/pixtral-12b", "llava", 40, 32),
    Entry("mistral-small-3.1", "mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistral3", 40, 32),
    Entry("aya-vision-8b", "CohereLabs/aya-vision-8b", "aya_vision", 32, 32, unchecked=True),
    Entry("deepseek-vl-1.3b", "deepseek-community/deepseek-vl-1.3b-chat", "deepseek_vl", 24, 16),
    Entry("janus-pro-1b", "deepseek-community/Janus-Pro-1B", "janus", 24, 16),
    Entry("molmo2-8b", "allenai/Molmo2-8B", "molmo2", 36, 32, note=_NEEDS_TORCHVISION),
    Entry("lfm2.5-vl-1.6b", "LiquidAI/LFM2.5-VL-1.6B", "lfm2_vl", 16, 32, note=_NEEDS_TORCHVISION),
    Entry(
        "lfm2-vl-1.6b", "LiquidAI/LFM2-VL-1.6B", "lfm2_vl", 16, 32, note=_NEEDS_TORCHVISION, unchecked=True
    ),
)


def resolve_alias(name: str) -> str | None:
    """The Hub id of an alias (in any case), a Hub id as it is, or None for what is neither."""
    for entry in CATALOGUE:
        if entry.alias == name.lower():
            return entry.id
    return name if _HUB_ID.fullmatch(name) else None


def is_toy(model_id: str) -> bool:
    """Whether the checkpoint says of itself that it knows no pictures but drawn comic strips."""
    return any(entry.toy for entry in CATALOGUE if entry.id == model_id)


def published_top(hub_id: str) -> int | None:
    """How many heads steered best in the paper, for a checkpoint it has figures of."""
    return next((e.published.top for e in CATALOGUE if e.id == hub_id and e.published is not None), None)


def lasting_names(
    model_id: str, revision: str | None, family: str, digest: str, *, local: bool
) -> dict[str, str | None]:
    """`name`, `id` and `revision` for what is kept and hashed: where a checkpoint lies is none of it.

    A `local` one is named after its content, any other by its alias where it has one.
    """
    if local:
        named = f"{family}-{digest.removeprefix('sha256:')[:8]}"
        return {"name": named, "id": named, "revision": None}
    alias = next((entry.alias for entry in CATALOGUE if entry.id == model_id), model_id)
    return {"name": alias, "id": model_id, "revision": revision}
