"""Discovery beside the plain oracle in eager attention, one pass a question: at least 9 x, memory no higher.

Discovery is timed whole, from files to the stored head set; of the oracle only the passes are, its inputs
are ready. `eager` is a model loaded with `attn_implementation="eager"`; the line below it leaves the fast
kernel to the vision tower. The oracle's seconds a strip are those of one strip.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import gazecli as gaze
from benchmarks.stopwatch import Row, Times, in_turns, peak_megabytes, ratio, show
from benchmarks.subject import PANELS, model_of_50_million, write_strips
from gazecli.cache.store import Cache
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.architecture import find_vision_tower
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from tests import oracle

AT_LEAST = 9.0
STRIPS = 3


@contextmanager
def eager_vision(vlm: VLM) -> Iterator[None]:
    """The vision tower in eager attention too."""
    config = find_vision_tower(vlm.model).config
    before, config._attn_implementation = config._attn_implementation, "eager"
    try:
        yield
    finally:
        config._attn_implementation = before


def run(rounds: int = 2) -> list[Row]:
    """Time both ways in turns, and read the peaks of memory."""
    with model_of_50_million() as vlm, TemporaryDirectory() as folder:
        comics = write_strips(Path(folder) / "comics", STRIPS)
        cache = Cache(Path(folder) / "cache")
        picture = open_comics(comics).strips[0].load()
        strip = []
        for prompt in panel_prompts(DISCOVERY_PROMPT, PANELS):
            inputs, layout = vlm.prepare(picture, prompt)
            strip.append((inputs, [layout.tokens(region).tolist() for region in picture.regions]))

        def fast() -> object:
            return gaze.discover(vlm, comics, force=True, cache=cache)

        def eager() -> object:
            with eager_vision(vlm):
                return oracle.discover(vlm.model, [strip])

        def eager_text() -> object:
            return oracle.discover(vlm.model, [strip])

        candidates = {"fast": fast, "eager": eager, "text": eager_text}
        peaks = {name: peak_megabytes(run) for name, run in candidates.items()}
        times = in_turns(candidates, rounds, warm=False)
    return [
        _row(times, "eager", "the oracle, one eager pass a question", AT_LEAST),
        _row(times, "text", "the same, vision tower on the fast kernel", None),
        Row(
            "peak memory of discovery",
            "the oracle, eager",
            "no higher",
            f"{peaks['fast'] / peaks['eager']:.2f} x",
            peaks["fast"] <= peaks["eager"],
        ),
    ]


def _row(times: Times, name: str, compared: str, promise: float | None) -> Row:
    fastest, middle = (each * STRIPS for each in ratio(times, name, "fast"))
    return Row(
        "discovery, whole",
        compared,
        f"≥ {promise:g} x faster" if promise else "",
        f"{fastest:.1f} x (medians {middle:.1f})",
        fastest >= promise if promise else None,
    )


if __name__ == "__main__":
    sys.exit(not show(run()))
