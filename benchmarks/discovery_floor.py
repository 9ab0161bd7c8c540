"""Discovery beside its floor, one bare SDPA prefill of each strip through the same model: within 1.25 x.

Discovery is timed whole, from files to the stored head set; the floor's inputs are ready.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import gazecli as gaze
from benchmarks.stopwatch import Row, in_turns, ratio, show
from benchmarks.subject import PANELS, model_of_50_million, write_strips
from gazecli.cache.store import Cache
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.pictures.comics.comics import open_comics

AT_MOST = 1.25
STRIPS = 3


def run(rounds: int = 3) -> list[Row]:
    """Time discovery and the bare prefills in turns."""
    with model_of_50_million() as vlm, TemporaryDirectory() as folder:
        comics = write_strips(Path(folder) / "comics", STRIPS)
        cache = Cache(Path(folder) / "cache")
        prompt = panel_prompts(DISCOVERY_PROMPT, PANELS)[0]
        ready = [dict(vlm.prepare(strip.load(), prompt)[0]) for strip in open_comics(comics).strips]
        for inputs in ready:
            inputs.pop("attention_mask", None)

        @torch.inference_mode()
        def bare() -> None:
            for inputs in ready:
                vlm.forget_positions()
                vlm.model(**inputs, use_cache=False, logits_to_keep=1)

        def fast() -> object:
            return gaze.discover(vlm, comics, force=True, cache=cache)

        fastest, middle = ratio(in_turns({"bare": bare, "fast": fast}, rounds), "fast", "bare")
    return [
        Row(
            "discovery, whole",
            "one bare SDPA prefill a strip",
            f"≤ {AT_MOST} x",
            f"{fastest:.2f} x (medians {middle:.2f})",
            fastest <= AT_MOST,
        )
    ]


if __name__ == "__main__":
    sys.exit(not show(run()))
