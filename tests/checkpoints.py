"""Tiny random checkpoints of every family, in folders laid out as the real ones on the Hub.

Each keeps the real geometry (patch sizes, tile sizes, pixel budgets) with a few small layers of four heads.
Knows nothing of the package under test.
"""

from __future__ import annotations

from pathlib import Path

from transformers.utils import is_torchvision_available

from tests.checkpoint_parts import Recipe, write_checkpoint
from tests.checkpoints_llava import RECIPES as LLAVA
from tests.checkpoints_qwen import RECIPES as QWEN
from tests.checkpoints_tiled import RECIPES as TILED
from tests.checkpoints_torchvision import RECIPES as TORCHVISION
from tests.checkpoints_whole import RECIPES as WHOLE

WITHOUT_TORCHVISION: dict[str, Recipe] = {**QWEN, **LLAVA, **TILED, **WHOLE}
RECIPES: dict[str, Recipe] = {**WITHOUT_TORCHVISION, **TORCHVISION}
# What runs here: the families that need torchvision only where it works.
FAMILIES = tuple(RECIPES) if is_torchvision_available() else tuple(WITHOUT_TORCHVISION)


def random_checkpoint(family: str, folder: Path, seed: int = 0) -> Path:
    """Write a random checkpoint of `family` (one of FAMILIES) into `folder` and return the folder.

    The same family and seed give the same weights. Variants of one family are families of their own here.
    """
    return write_checkpoint(RECIPES[family], folder, seed)
