"""Steered generation beside unsteered, bias at prefill and decode: tokens per second within 1.05 x.

Unsteered is both the package's own loop without a bias, and `generate` of transformers on SDPA.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.stopwatch import Row, in_turns, ratio, show
from benchmarks.subject import bias_towards, model_of_50_million, strip_picture
from gazecli.models.inference.generate import Limits, generate
from gazecli.steering.settings import STATIC_PROMPT

AT_MOST = 1.05


def run(tokens: int = 48, rounds: int = 4) -> list[Row]:
    """Write as many tokens in each way, in turns."""
    with model_of_50_million() as vlm:
        picture = strip_picture()
        inputs, layout = vlm.prepare(picture, STATIC_PROMPT)
        bias = bias_towards(vlm, layout, [picture.regions[2]])
        limits = Limits(tokens, least=tokens)

        def steered() -> object:
            return generate(vlm, inputs, layout, bias, 1, limits)

        def unsteered() -> object:
            return generate(vlm, inputs, layout, None, 1, limits)

        @torch.inference_mode()
        def stock() -> object:
            return vlm.model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)

        times = in_turns({"steered": steered, "unsteered": unsteered, "stock": stock}, rounds)
    rows = []
    for name, words in (("unsteered", "unsteered"), ("stock", "unsteered, `generate` of transformers")):
        fastest, middle = ratio(times, "steered", name)
        measured = f"{fastest:.2f} x (medians {middle:.2f})"
        rows.append(Row(f"{tokens} steered tokens", words, f"≤ {AT_MOST} x", measured, fastest <= AT_MOST))
    return rows


if __name__ == "__main__":
    sys.exit(not show(run()))
