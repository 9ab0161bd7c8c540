"""All conditions of several pictures as one batch, beside one condition after the other, and one answer.

`tiny` answers as in a default evaluation (static, narrated) and in a sweep over K; the random Qwen3-VL of 50
million parameters about a strip of 720 image tokens. The authors' way is one eager generation a target and
condition. It is timed unsteered, which is less work, and for a few answers, whose mean counts for all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.discovery_oracle import eager_vision
from benchmarks.stopwatch import Row, in_turns, peak_megabytes, show
from benchmarks.subject import PANELS, THREADS, model_of_50_million, write_strips
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.evaluate import PROMPTS
from gazecli.evaluation.examples import examples_of
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Task
from gazecli.heads.headset import Head
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import SteerSettings
from gazecli.tiny.comics import make_comics

STRIPS, FEW = 20, 5
CONTROLS, SWEPT, TOP = 5, 12, 5
EAGER_ANSWERS = 2
GIVEN = 64


def choices_of(vlm: VLM, count: int) -> list[Choice]:
    """Different heads a choice, `TOP` each, in one layer after the other."""
    every = [Head(layer, head) for layer, heads in vlm.heads_of.items() for head in range(heads)]
    return [
        Choice(tuple(every[(number + 3 * k) % len(every)] for k in range(TOP))) for number in range(count)
    ]


def together(task: Task, choices: Sequence[Choice]) -> list[list[list[str]]]:
    """The texts about each picture under each choice, as an evaluation writes them."""
    found = dict(task.responses(range(len(task.examples)), choices))
    return [[[response.text for response in own] for own in found[number]] for number in sorted(found)]


def apart(task: Task, choices: Sequence[Choice]) -> list[list[list[str]]]:
    """The same, one picture and one choice at a time, as evaluations were run before."""
    pictures = range(len(task.examples))
    found = [[dict(task.responses([n], [choice]))[n][0] for choice in choices] for n in pictures]
    return [[[response.text for response in own] for own in picture] for picture in found]


def run(rounds: int = 2) -> list[Row]:
    """Time all ways in turns."""
    torch.set_num_threads(THREADS)
    return [*_of_tiny(rounds), *_of_50_million(rounds)]


def _of_tiny(rounds: int) -> list[Row]:
    vlm = load("tiny", device="cpu", dtype="float32")
    steered = choices_of(vlm, 2 + CONTROLS)
    with TemporaryDirectory() as folder:
        make_comics(Path(folder) / "comics", STRIPS, 0, PANELS)
        examples = examples_of(open_comics(Path(folder) / "comics", panels=PANELS)).usable
        few = examples[:FEW]
        static = RedirectionTask(vlm, examples, SteerSettings(PROMPTS["static"]))
        blinding = BlindingTask(vlm, examples, panel_prompts(DISCOVERY_PROMPT, PANELS), 64)
        settings = SteerSettings(PROMPTS["dynamic"], scope="answer")
        evaluations: dict[str, list[tuple[Task, list[Choice]]]] = {
            f"a default evaluation of {STRIPS} strips": [
                (static, [*steered, Choice()]),
                (blinding, [Choice(), *steered[: 1 + CONTROLS]]),
            ],
            f"a narrated evaluation of {FEW} strips": [
                (NarrationTask(vlm, few, settings, 50, 42), [*steered, Choice()])
            ],
            f"a sweep over K, {FEW} strips": [(replace(static, examples=few), choices_of(vlm, SWEPT))],
        }
        rows = []
        for what, tasks in evaluations.items():
            ways = {
                "together": lambda: [together(*each) for each in tasks],  # noqa: B023 - run here
                "apart": lambda: [apart(*each) for each in tasks],  # noqa: B023
            }
            assert ways["together"]() == ways["apart"]()
            times = in_turns(ways, rounds, warm=False)
            faster = min(times["apart"]) / min(times["together"])
            rows.append(_row(what, "one condition after the other", faster, 3.0))
        given = replace(static, examples=few, memory=GIVEN << 20)
        used = peak_megabytes(lambda: together(given, [*steered, Choice()])) / GIVEN
        compared = f"{GIVEN} MiB given to --batch-size auto"
        rows.append(Row("peak memory of its largest batch", compared, "≤ 1 x", f"{used:.2f} x", used <= 1))
        return rows


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

        assert together(task, choices[:2]) == apart(task, choices[:2])
        ways = {"eager": eager, "together": lambda: together(task, choices)}
        times = in_turns(ways, rounds, warm=False)
    answers = PANELS * len(choices) + 1
    faster = min(times["eager"]) / EAGER_ANSWERS * answers / min(times["together"])
    return [
        _row("a strip of 720 image tokens under 7 conditions", "one eager generation an answer", faster, 4.0)
    ]


def _row(what: str, compared: str, faster: float, promise: float) -> Row:
    return Row(what, compared, f"≥ {promise:g} x faster", f"{faster:.1f} x", faster >= promise)


if __name__ == "__main__":
    sys.exit(not show(run()))
