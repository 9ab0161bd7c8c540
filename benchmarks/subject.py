"""What is measured: a random Qwen3-VL of 50 million parameters, strips of 720 image tokens, and key biases.

The model's sizes are chosen so that the vision tower costs about as large a share as in the 2B and 8B models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedConfig, Qwen3VLConfig

from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.modes import Scope
from gazecli.models.head_pairs import HeadPair
from gazecli.models.load import load
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from tests.fixtures.checkpoint_parts import Ids, write_checkpoint
from tests.fixtures.checkpoints_qwen import RECIPES

THREADS = 2
PANELS = 6
STRIP = (2880, 256)  # pixels; 90 x 8 image tokens
_TEXT = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [12, 10, 10],
        "mrope_interleaved": True,
    },
}
_VISION = {
    "depth": 6,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_heads": 4,
    "out_hidden_size": 512,
    "deepstack_visual_indexes": [1, 3],
}


def _config(ids: Ids, vocabulary: int) -> PreTrainedConfig:
    small = RECIPES["qwen3_vl"].config(ids, vocabulary)
    settings: dict[str, Any] = {name: getattr(small, name) for name in ("image_token_id", "video_token_id")}
    return Qwen3VLConfig(
        text_config={**small.text_config.to_dict(), **_TEXT},
        vision_config={**small.vision_config.to_dict(), **_VISION},
        vision_start_token_id=small.vision_start_token_id,
        vision_end_token_id=small.vision_end_token_id,
        **settings,
    )


@contextmanager
def model_of_50_million() -> Iterator[VLM]:
    """The random model in float32 on the CPU, with the threads the promises are made for."""
    torch.set_num_threads(THREADS)
    with TemporaryDirectory() as folder:
        recipe = replace(RECIPES["qwen3_vl"], config=_config)
        yield load(str(write_checkpoint(recipe, Path(folder) / "random-50m")), device="cpu", dtype="float32")


def write_strips(folder: Path, strips: int, seed: int = 0) -> Path:
    """A comics folder in the `panels` layout, noise of full strip size."""
    rng = np.random.default_rng([seed, strips])
    width, height = STRIP
    for number in range(strips):
        comic = folder / f"comic-{number:04d}"
        comic.mkdir(parents=True)
        for panel in range(1, PANELS + 1):
            pixels = rng.integers(0, 256, (height, width // PANELS, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(comic / f"p{panel}.png", compress_level=1)
    return folder


def strip_picture(seed: int = 0, size: tuple[int, int] = STRIP) -> Picture:
    """One noise strip with its panels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Picture.from_image(Image.fromarray(pixels), panels=PANELS)


def one_head_a_layer(vlm: VLM) -> list[HeadPair]:
    """One head in every layer: the dearest way in which so many heads can be spread."""
    return [(layer, layer % heads) for layer, heads in vlm.heads_of.items()]


def bias_towards(
    vlm: VLM, layout: ImageLayout, targets: Sequence[Region | None], scope: Scope = "full"
) -> KeyBias:
    """The recipe's bias, a row for each target; None is an unsteered row."""
    heads = vlm.check_heads(one_head_a_layer(vlm))
    return key_bias(heads, layout, targets, 10.0, "boost-suppress", scope, vlm.device)
