"""The whole evaluation: choose K where a sweep is planned, run every condition, measure."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gazecli.cache.store import Cache
from gazecli.distributed.group import Group, join
from gazecli.evaluation.conditions import Condition, blindings_for, conditions_for
from gazecli.evaluation.examples import Examples
from gazecli.evaluation.judges.endpoint import EndpointJudge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.metrics import ConditionMetrics, condition_metrics, run_metrics
from gazecli.evaluation.sweep import (
    SweepPoint,
    best_of,
    condition_count,
    halves,
    sweep_heads,
    with_suggestion,
)
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Advance, Task
from gazecli.evaluation.trials import Run
from gazecli.heads.headset import Head, HeadSet, selections
from gazecli.heads.request import panel_prompts
from gazecli.models.vlm import VLM
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
    unless `sweep` chooses them. seed: resampling, halves and schedules. question: the template that names a
    region by its place, for which heads are blinded; None blinds none. compare: steer by every score.
    min_area: smallest things of natural pictures, in pixels.
    """

    task: TaskName
    settings: SteerSettings
    top: int
    score: str
    seed: int = 42
    every: int | None = None
    sweep: bool = False
    question: str | None = None
    compare: bool = False
    min_area: float | None = None


@dataclass(frozen=True)
class SweepChoice:
    """The K a sweep chose: accuracy on the strips that chose it, and how many those were."""

    k: int
    accuracy: float
    strips: int


@dataclass(frozen=True)
class Selector:
    """The best heads by one score, and what steering them gave; None where nobody judged."""

    score: str
    heads: list[Head]
    metrics: ConditionMetrics | None


@dataclass(frozen=True)
class Evaluation:
    """What came out. headset: the one evaluated, or with a sweep its copy with the new suggestion.

    runs: one a condition, the gaze heads first. metrics: one entry a run, empty where nobody judged.
    selectors: one entry a score, empty unless compared. sweep and choice: empty and None without a sweep.
    """

    plan: Plan
    examples: Examples
    headset: HeadSet
    runs: list[Run]
    metrics: list[ConditionMetrics]
    selectors: list[Selector]
    sweep: list[SweepPoint]
    choice: SweepChoice | None
    seconds: float

    @property
    def strips(self) -> int:
        """How many pictures the runs are over."""
        return len(self.runs[0].numbers)


def panels_of(examples: Examples) -> int | None:
    """Regions a picture, None where it varies."""
    counts = {example.regions for example in examples.usable}
    return counts.pop() if len(counts) == 1 and not examples.usable[0].sizes else None


def evaluate(
    vlm: VLM,
    headset: HeadSet,
    examples: Examples,
    plan: Plan,
    judge: Judge | None,
    cache: Cache,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run `plan`; `progress` is called with (done, total), a step being one picture under one condition.

    Processes that a launcher started together share the pictures: all of them must call this, and all get
    the evaluation. Without a judge, which a sweep needs, there are runs and no metrics. Raises UsageError for
    an impossible number of heads or too few pictures, HeadSetError for another model's heads.
    """
    headset.check_model(vlm.digest, vlm.name)
    group = join()
    _agree(group, headset, examples, plan)
    began = time.monotonic()
    steering = _steering_task(vlm, examples, plan, judge, group)
    blinding = _blinding_task(vlm, examples, plan, judge, group)
    numbers, top = list(range(len(examples.usable))), headset.resolve_top(plan.top)
    sweep: list[SweepPoint] = []
    choice = None
    if plan.sweep:
        split = halves(len(numbers), plan.seed)
        numbers = split.held_out
        runs_ahead = _run_count(headset, plan, headset.resolve_top("auto"))
        steps = condition_count(headset) * len(split.choosing) + runs_ahead * len(numbers)
        advance = _advance(progress, steps)
        sweep = sweep_heads(steering, headset, plan.score, split.choosing, plan.seed, advance)
        best = best_of(sweep)
        top, choice = best.k, SweepChoice(best.k, best.gaze, len(split.choosing))
    else:
        advance = _advance(progress, _run_count(headset, plan, top) * len(numbers))
    runs = [
        Run(condition, numbers, task.trials(numbers, condition.heads, advance))
        for task, conditions in (
            (steering, conditions_for(headset, top, plan.score)),
            (blinding, blindings_for(headset, top, plan.score)),
        )
        if task is not None
        for condition in conditions
    ]
    panels = panels_of(examples)
    metrics = run_metrics(runs, examples.usable, plan.task == "dynamic", panels, plan.seed) if judge else []
    selectors = _selectors(steering, headset, plan, runs[0], panels, advance) if plan.compare else []
    if isinstance(judge, EndpointJudge):
        judge.add_up(group)
    evaluated = headset
    if choice is not None:
        suggestion = _suggestion(plan, choice, sweep, metrics[0].accuracy, examples)
        evaluated = group.from_first(lambda: with_suggestion(headset, suggestion, cache))
    seconds = round(time.monotonic() - began, 3)
    return Evaluation(plan, examples, evaluated, runs, metrics, selectors, sweep, choice, seconds)


def _agree(group: Group, headset: HeadSet, examples: Examples, plan: Plan) -> None:
    """UsageError unless every process steers the same heads over the same pictures and captions."""
    if group.size == 1:
        return
    # Strips of different folders may have the same names.
    known = [(example.name, example.truths) for example in examples.usable]
    seen = (headset.digest, examples.comics.digest, known, plan)
    group.agree("head sets, pictures or settings", seen)


def _steering_task(vlm: VLM, examples: Examples, plan: Plan, judge: Judge | None, group: Group) -> Task:
    if plan.task == "dynamic":
        return NarrationTask(vlm, examples.usable, plan.settings, judge, plan.every, plan.seed, group)
    return RedirectionTask(vlm, examples.usable, plan.settings, judge, group)


def _blinding_task(
    vlm: VLM, examples: Examples, plan: Plan, judge: Judge | None, group: Group
) -> Task | None:
    if plan.question is None:
        return None
    prompts = panel_prompts(plan.question, examples.comics.panels)
    return BlindingTask(vlm, examples.usable, prompts, plan.settings.max_new_tokens, judge, group)


def _run_count(headset: HeadSet, plan: Plan, top: int) -> int:
    """How many times every picture is run; with a sweep an estimate, as K is not chosen yet."""
    count = len(conditions_for(headset, top, plan.score))
    if plan.question is not None:
        count += len(blindings_for(headset, top, plan.score))
    # One of the selectors is the gaze condition.
    return count + len(selections(headset, top)) - 1 if plan.compare else count


def _advance(progress: Callable[[int, int], None], total: int) -> Advance:
    steps = itertools.count(1)

    def advance() -> None:
        done = next(steps)
        progress(done, max(total, done))

    return advance


def _selectors(
    task: Task, headset: HeadSet, plan: Plan, gaze: Run, panels: int | None, advance: Advance
) -> list[Selector]:
    """Every score's best heads steered over the same pictures; `gaze` is one of them already."""
    selectors = []
    for score, heads in selections(headset, len(gaze.condition.heads)).items():
        same = heads == gaze.condition.heads
        pictures = gaze.pictures if same else task.trials(gaze.numbers, heads, advance)
        metrics = None
        if task.judge is not None:
            metrics = condition_metrics(Condition("gaze", heads), pictures, panels, plan.seed)
        selectors.append(Selector(score, heads, metrics))
    return selectors


def _suggestion(
    plan: Plan, choice: SweepChoice, sweep: Sequence[SweepPoint], accuracy: float, examples: Examples
) -> dict[str, object]:
    held_out = len(examples.usable) - choice.strips
    why = (
        f"of {len(sweep)} numbers of heads this steered best ({plan.task}): accuracy {choice.accuracy:.3f} "
        f"on the {choice.strips} strips that chose it, {accuracy:.3f} on {held_out} "
        f"held-out ones, chance {examples.chance:.3f}"
    )
    return {"score": plan.score, "top": choice.k, "why": why}
