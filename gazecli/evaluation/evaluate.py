"""The whole evaluation: choose K where a sweep is planned, run every condition, measure."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gazecli.cache.store import Cache
from gazecli.distributed.group import join
from gazecli.evaluation.conditions import Condition, conditions_for
from gazecli.evaluation.examples import Example, Examples, chance_of
from gazecli.evaluation.judges.endpoint import EndpointJudge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.metrics import ConditionMetrics, condition_metrics, run_metrics
from gazecli.evaluation.sweep import SweepPoint, best_of, condition_count, halves, sweep_heads
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask, panel_order, panel_schedule
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Advance, Task
from gazecli.evaluation.trials import Run
from gazecli.heads.headset import Head, HeadSet, selections
from gazecli.heads.questions import panel_prompts
from gazecli.models.vlm import VLM
from gazecli.steering.steer import STATIC_PROMPT, Steering, SteerSettings, steer_regions
from gazecli.steering.switch import DYNAMIC_PROMPT, Narration, switch
from gazecli.steering.track import Tracking, track

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
    if group.size > 1:
        # Strips of different folders may have the same names.
        known = [(example.name, example.truths) for example in examples.usable]
        seen = (headset.digest, examples.comics.digest, known, plan)
        group.agree("head sets, pictures or settings", seen)
    began = time.monotonic()
    steering, blinding = _tasks(vlm, examples, plan, judge)
    numbers, top = list(range(len(examples.usable))), headset.resolve_top(plan.top)
    sweep: list[SweepPoint] = []
    choice = None
    if plan.sweep:
        choosing, numbers = halves(len(numbers), plan.seed)
        runs_ahead = _run_count(headset, plan, headset.resolve_top("auto"))
        steps = condition_count(headset) * len(choosing) + runs_ahead * len(numbers)
        advance = _advance(progress, steps)
        sweep = sweep_heads(steering, headset, plan.score, choosing, plan.seed, advance)
        best = best_of(sweep)
        top, choice = best.k, SweepChoice(best.k, best.gaze, len(choosing))
    else:
        advance = _advance(progress, _run_count(headset, plan, top) * len(numbers))
    runs = []
    for condition in conditions_for(headset, top, plan.score, plan.question is not None):
        task = blinding if condition.blinds else steering
        runs.append(Run(condition, numbers, task.trials(numbers, condition.heads, advance)))
    metrics = run_metrics(runs, examples.usable, plan.task == "dynamic", plan.seed) if judge else []
    selectors = _selectors(steering, headset, plan, runs[0], advance) if plan.compare else []
    if isinstance(judge, EndpointJudge):
        judge.add_up(group)
    seconds = round(time.monotonic() - began, 3)
    done = Evaluation(plan, examples, headset, runs, metrics, selectors, sweep, choice, seconds)
    if choice is None:
        return done
    return replace(done, headset=group.from_first(lambda: _with_choice(done, choice, cache)))


def _tasks(vlm: VLM, examples: Examples, plan: Plan, judge: Judge | None) -> tuple[Task, Task]:
    """The one that steers, and the one that blinds if the plan has a question for it."""
    usable, settings = examples.usable, plan.settings
    prompts = panel_prompts(plan.question, examples.comics.panels) if plan.question is not None else []
    blinding = BlindingTask(vlm, usable, prompts, settings.max_new_tokens, judge=judge)
    if plan.task == "dynamic":
        return NarrationTask(vlm, usable, settings, plan.every, plan.seed, judge=judge), blinding
    return RedirectionTask(vlm, usable, settings, judge=judge), blinding


def _run_count(headset: HeadSet, plan: Plan, top: int) -> int:
    """How many times every picture is run; with a sweep an estimate, as K is not chosen yet."""
    count = len(conditions_for(headset, top, plan.score, plan.question is not None))
    # One of the selectors is the gaze condition.
    return count + len(selections(headset, top)) - 1 if plan.compare else count


def _advance(progress: Callable[[int, int], None], total: int) -> Advance:
    steps = itertools.count(1)

    def advance() -> None:
        done = next(steps)
        progress(done, max(total, done))

    return advance


def _selectors(task: Task, headset: HeadSet, plan: Plan, gaze: Run, advance: Advance) -> list[Selector]:
    """Every score's best heads steered over the same pictures; `gaze` is one of them already."""
    selectors = []
    for score, heads in selections(headset, len(gaze.condition.heads)).items():
        same = heads == gaze.condition.heads
        pictures = gaze.pictures if same else task.trials(gaze.numbers, heads, advance)
        metrics = (
            condition_metrics(Condition("gaze", heads), pictures, None, plan.seed) if task.judge else None
        )
        selectors.append(Selector(score, heads, metrics))
    return selectors


def _with_choice(done: Evaluation, choice: SweepChoice, cache: Cache) -> HeadSet:
    """The head set with the sweep's choice as its suggestion, kept in the cache under its own digest."""
    why = (
        f"of {len(done.sweep)} numbers of heads this steered best ({done.plan.task}): accuracy "
        f"{choice.accuracy:.3f} on the {choice.strips} strips that chose it, {done.metrics[0].accuracy:.3f} "
        f"on {done.strips} held-out ones, chance {chance_of(done.examples.usable):.3f}"
    )
    suggested = {"score": done.plan.score, "top": choice.k, "why": why}
    changed = replace(done.headset, header={**done.headset.header, "suggested": suggested})
    digest, path = cache.put(changed.to_artifact())
    return replace(changed, digest=digest, path=path)


def generate_with_maps(
    vlm: VLM, example: Example, number: int, heads: Sequence[Head], plan: Plan
) -> Steering | tuple[Narration, Tracking]:
    """Picture `number` once more, with the attention of every written token kept.

    It is steered to every region, or narrated under its schedule and freely.
    """
    picture, settings = example.load(), plan.settings
    if plan.task != "dynamic":
        return steer_regions(
            vlm, picture, picture.regions, heads, settings, require_effect=False, with_maps=True
        )
    schedule = panel_schedule(picture, panel_order(example.regions, plan.seed, number), plan.every)
    narration = switch(vlm, picture, schedule, heads, settings, require_effect=False)
    return narration, track(vlm, picture, heads, settings.prompt, max_new_tokens=schedule.most_tokens)
