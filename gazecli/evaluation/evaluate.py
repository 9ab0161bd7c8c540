"""The whole evaluation: choose K if asked to, run every condition, count.

Knows nothing of the command line or of documents.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gazecli.cache.store import Cache
from gazecli.evaluation.conditions import conditions_for
from gazecli.evaluation.narration import ScheduledNarration
from gazecli.evaluation.redirection import Redirection
from gazecli.evaluation.sweep import Rung, best_of, climb, halves, passes, with_suggestion
from gazecli.evaluation.trials import Condition, Examples, Tally, Task
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.processes.group import join
from gazecli.steering.steer import STATIC_PROMPT, SteerSettings
from gazecli.steering.switch import DYNAMIC_PROMPT

TaskName = Literal["static", "vqa", "dynamic"]
PROMPTS: dict[TaskName, str] = {
    "static": STATIC_PROMPT,
    "vqa": "What is the main action or event happening in this comic strip? Answer briefly.",
    "dynamic": DYNAMIC_PROMPT,
}


@dataclass(frozen=True)
class Plan:
    """What to evaluate. every: tokens a segment of a narration, None goes by sentences. top: heads to steer,
    unless `sweep` chooses them. seed: resampling, halves and schedules.
    """

    task: TaskName
    settings: SteerSettings
    top: int
    score: str
    seed: int = 42
    every: int | None = None
    sweep: bool = False


@dataclass(frozen=True)
class Choice:
    """The K a sweep chose: accuracy on the strips that chose it, and how many those were."""

    k: int
    accuracy: float
    strips: int


@dataclass(frozen=True)
class Evaluation:
    """What came out. headset: the one evaluated, or with a sweep its copy with the new suggestion.

    strips: how many pictures the tallies are over. choice: None without a sweep.
    """

    plan: Plan
    examples: Examples
    headset: HeadSet
    tallies: list[Tally]
    strips: int
    rungs: list[Rung]
    choice: Choice | None
    seconds: float

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.examples.comics.panels


def evaluate(
    vlm: VLM,
    headset: HeadSet,
    examples: Examples,
    plan: Plan,
    cache: Cache,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run `plan`; `progress` hears (done, total), a step being one picture under one choice of heads.

    Processes that a launcher started together share the pictures: all of them must call this, and all get
    the evaluation. Raises UsageError for an impossible number of heads or too few pictures, HeadSetError for
    another model's heads.
    """
    headset.check_model(vlm.digest, vlm.name)
    group = join()
    strips = [example.strip.name for example in examples.usable]
    group.agree("head sets, comics or settings", (headset.digest, strips, plan))
    task = _task(vlm, examples, plan)
    task.group = group
    if plan.sweep:
        return _swept(task, headset, examples, plan, cache, progress)
    began = time.monotonic()
    numbers = list(range(len(examples.usable)))
    conditions = conditions_for(headset, headset.resolve_top(plan.top), plan.score)
    step = _Steps(progress, len(conditions) * len(numbers))
    tallies = _measure(task, conditions, numbers, examples.comics.panels, plan.seed, step)
    return Evaluation(plan, examples, headset, tallies, len(numbers), [], None, _since(began))


def _swept(
    task: Task,
    headset: HeadSet,
    examples: Examples,
    plan: Plan,
    cache: Cache,
    progress: Callable[[int, int], None],
) -> Evaluation:
    began = time.monotonic()
    panels = examples.comics.panels
    split = halves(len(examples.usable), plan.seed)
    # The conditions depend on the K that is yet to be chosen; their number hardly does.
    later = len(conditions_for(headset, headset.resolve_top("auto"), plan.score))
    step = _Steps(progress, passes(headset) * len(split.choosing) + later * len(split.held_out))
    rungs = climb(task, headset, plan.score, split.choosing, step)
    best = best_of(rungs)
    conditions = conditions_for(headset, best.k, plan.score)
    tallies = _measure(task, conditions, split.held_out, panels, plan.seed, step)
    why = (
        f"of {len(rungs)} numbers of heads this steered best ({plan.task}): accuracy {best.gaze:.3f} on the "
        f"{len(split.choosing)} strips that chose it, {tallies[0].accuracy:.3f} on {len(split.held_out)} "
        f"held-out ones, chance {1 / panels:.3f}"
    )
    suggested = {"score": plan.score, "top": best.k, "why": why}
    chosen = task.group.from_first(lambda: with_suggestion(headset, suggested, cache))
    choice = Choice(best.k, best.gaze, len(split.choosing))
    return Evaluation(plan, examples, chosen, tallies, len(split.held_out), rungs, choice, _since(began))


def _task(vlm: VLM, examples: Examples, plan: Plan) -> Task:
    if plan.task == "dynamic":
        return ScheduledNarration(vlm, examples.usable, plan.settings, plan.every, plan.seed)
    return Redirection(vlm, examples.usable, plan.settings)


def _measure(
    task: Task, conditions: list[Condition], numbers: list[int], panels: int, seed: int, step: _Steps
) -> list[Tally]:
    return [task.measure(condition, numbers, panels, seed, step) for condition in conditions]


class _Steps:
    """Counts what is done, and tells."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.done, self.total = progress, 0, total

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, max(self.total, self.done))


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
