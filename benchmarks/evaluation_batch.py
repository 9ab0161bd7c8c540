"""All conditions of a picture as one batch, beside one condition after the other, and one answer at a time.

`tiny` answers as in a default evaluation (static) and in a sweep over K; the random Qwen3-VL of 50 million
parameters about a strip of 720 image tokens. The authors' way is one eager generation a target and condition.
It is timed unsteered, which is less work, and for a few answers, whose mean counts for all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.discovery_oracle import eager_vision
from benchmarks.stopwatch import Row, in_turns, show
from benchmarks.subject import PANELS, THREADS, model_of_50_million, write_strips
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.evaluate import PROMPTS
from gazecli.evaluation.examples import examples_of
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.heads.headset import Head
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import steer_regions

COMICS = Path(__file__).parents[1] / "examples" / "comics"
CONTROLS, SWEPT, TOP = 5, 12, 5
EAGER_ANSWERS = 2


def choices_of(vlm: VLM, count: int) -> list[Choice]:
    """Different heads a choice, `TOP` each, in one layer after the other."""
    every = [Head(layer, head) for layer, heads in vlm.heads_of.items() for head in range(heads)]
    return [
        Choice(tuple(every[(number + 3 * k) % len(every)] for k in range(TOP))) for number in range(count)
    ]


def one_after_the_other(task: RedirectionTask, choices: Sequence[Choice]) -> list[list[str]]:
    """A batch of all panels a choice of heads, as evaluations were run before."""
    picture = task.examples[0].load()
    return [
        [
            answer.text
            for answer in steer_regions(
                task.vlm,
                picture,
                picture.regions,
                choice.heads,
                task.settings,
                with_baseline=False,
                require_effect=False,
            ).answers
        ]
        for choice in choices
    ]


def run(rounds: int = 2) -> list[Row]:
    """Time all ways in turns."""
    torch.set_num_threads(THREADS)
    return [*_of_tiny(rounds), *_of_50_million(rounds)]


def _of_tiny(rounds: int) -> list[Row]:
    vlm = load("tiny", device="cpu", dtype="float32")
    examples = examples_of(open_comics(COMICS, panels=PANELS)).usable[:1]
    task = RedirectionTask(vlm, examples, SteerSettings(PROMPTS["static"]))
    blinding = BlindingTask(vlm, examples, panel_prompts(DISCOVERY_PROMPT, PANELS), 64)
    steered, swept = choices_of(vlm, 2 + CONTROLS), choices_of(vlm, SWEPT)
    blinded = [Choice(), *steered[: 1 + CONTROLS]]

    def together() -> list[list[str]]:
        blinding.write(0, blinded)
        return [[response.text for response in each] for each in task.write(0, [*steered, Choice()])][:-1]

    def apart() -> list[list[str]]:
        for choice in blinded:
            blinding.write(0, [choice])
        task.write(0, [Choice()])
        return one_after_the_other(task, steered)

    assert together() == apart()
    ways = {
        "together": together,
        "apart": apart,
        "sweep together": lambda: task.write(0, swept),
        "sweep apart": lambda: one_after_the_other(task, swept),
    }
    times = in_turns(ways, rounds, warm=False)
    best = {way: min(seconds) for way, seconds in times.items()}
    return [
        _row("a default evaluation", "one condition after the other", best["apart"] / best["together"], 3.0),
        _row("a sweep over K", "one K after the other", best["sweep apart"] / best["sweep together"], 3.0),
    ]


def _of_50_million(rounds: int) -> list[Row]:
    with model_of_50_million() as vlm, TemporaryDirectory() as folder:
        comics = open_comics(write_strips(Path(folder) / "comics", 1), panels=PANELS)
        [example] = examples_of(comics, need_captions=False).usable
        settings = SteerSettings(PROMPTS["vqa"], max_new_tokens=15)
        task, choices = RedirectionTask(vlm, [example], settings), choices_of(vlm, 2 + CONTROLS)
        inputs, _ = vlm.prepare(example.load(), settings.prompt)

        def eager() -> None:
            config = vlm.decoder.config
            before, config._attn_implementation = config._attn_implementation, "eager"
            try:
                with eager_vision(vlm):
                    for _ in range(EAGER_ANSWERS):
                        vlm.forget_positions()
                        vlm.model.generate(**inputs, max_new_tokens=15, min_new_tokens=15, do_sample=False)
            finally:
                config._attn_implementation = before

        assert [[each.text for each in own] for own in task.write(0, choices[:1])] == one_after_the_other(
            replace(task), choices[:1]
        )
        times = in_turns({"eager": eager, "together": lambda: task.write(0, choices)}, rounds, warm=False)
    answers = PANELS * len(choices) + 1
    faster = min(times["eager"]) / EAGER_ANSWERS * answers / min(times["together"])
    return [
        _row("a strip of 720 image tokens under 7 conditions", "one eager generation an answer", faster, 4.0)
    ]


def _row(what: str, compared: str, faster: float, promise: float) -> Row:
    return Row(what, compared, f"≥ {promise:g} x faster", f"{faster:.1f} x", faster >= promise)


if __name__ == "__main__":
    sys.exit(not show(run()))
