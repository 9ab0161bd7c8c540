"""Prefill with 8000 image tokens, steered beside unsteered: within 1.1 x in time and in peak memory.

Only the language model runs, on random embeddings: the vision tower is the same on both sides, and 32 000
patches would take it minutes here.
"""

from __future__ import annotations

import sys
from functools import partial

import torch

from benchmarks.stopwatch import Row, in_turns, peak_megabytes, ratio, show
from benchmarks.subject import bias_towards, model_of_50_million
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.kv_cache import as_argument, empty_cache
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.pictures.regions import Region

AT_MOST = 1.1
COLUMNS, ROWS, CELL = 100, 80, 32
BEFORE, AFTER = 8, 24  # text tokens around the picture


def wide_layout() -> ImageLayout:
    """8000 image tokens, as a picture of 3200 x 2560 pixels has them."""
    x = torch.arange(COLUMNS).repeat(ROWS) * CELL
    y = torch.arange(ROWS).repeat_interleave(COLUMNS) * CELL
    boxes = torch.stack((x, y, x + CELL, y + CELL), dim=1).float()
    count = COLUMNS * ROWS
    return ImageLayout(
        torch.arange(count) + BEFORE, boxes, torch.zeros(count, dtype=torch.long), BEFORE + count + AFTER
    )


def run(rounds: int = 2) -> list[Row]:
    """Time both prefills in turns, and read the peaks of memory."""
    with model_of_50_million() as vlm:
        layout = wide_layout()
        generator = torch.Generator().manual_seed(0)
        embedded = torch.randn(1, layout.length, vlm.decoder.config.hidden_size, generator=generator)
        target = Region(1, (0.0, 0.0, COLUMNS * CELL / 6, float(ROWS * CELL)))

        @torch.inference_mode()
        def prefill(bias: KeyBias | None) -> None:
            with vlm.biased(bias):
                vlm.decoder(
                    inputs_embeds=embedded,
                    **as_argument(vlm.decoder, empty_cache(vlm.decoder)),
                    use_cache=True,
                )

        steered = partial(prefill, bias_towards(vlm, layout, [target]))
        candidates = {"unsteered": partial(prefill, None), "steered": steered}
        peaks = {name: peak_megabytes(run) for name, run in candidates.items()}
        fastest, middle = ratio(in_turns(candidates, rounds, warm=False), "steered", "unsteered")
    memory = peaks["steered"] / peaks["unsteered"]
    what = f"prefill of {COLUMNS * ROWS} image tokens, steered"
    measured = f"{fastest:.2f} x (medians {middle:.2f})"
    return [
        Row(what, "unsteered", f"≤ {AT_MOST} x", measured, fastest <= AT_MOST),
        Row("its peak memory", "unsteered", f"≤ {AT_MOST} x", f"{memory:.2f} x", memory <= AT_MOST),
    ]


if __name__ == "__main__":
    sys.exit(not show(run()))
