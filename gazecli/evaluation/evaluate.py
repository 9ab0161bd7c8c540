"""The whole evaluation: choose K if asked to, run every condition, count.

Knows nothing of the command line or of documents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gazecli.cache.store import Cache
from gazecli.distributed.group import Group, join
from gazecli.evaluation.conditions import Condition, blindings_for, conditions_for
from gazecli.evaluation.examples import Examples
from gazecli.evaluation.judges.endpoint import Endpoint
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.metrics import Counted, Run, Tally, count, tally
from gazecli.evaluation.sweep import Rung, best_of, climb, halves, passes, with_suggestion
from gazecli.evaluation.tasks.blinding import Asking
from gazecli.evaluation.tasks.dynamic import ScheduledNarration
from gazecli.evaluation.tasks.static import Redirection
from gazecli.evaluation.tasks.task import Task
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
class Choice:
    """The K a sweep chose: accuracy on the strips that chose it, and how many those were."""

    k: int
    accuracy: float
    strips: int


@dataclass(frozen=True)
class Selected:
    """The best heads by one score, and what steering them gave; None where nobody judged."""

    score: str
    heads: list[Head]
    tally: Tally | None


@dataclass(frozen=True)
class Evaluation:
    """What came out. headset: the one evaluated, or with a sweep its copy with the new suggestion.

    counted: one entry a run, empty where nobody judged. strips: how many pictures the runs are over. choice:
    None without a sweep. selected: one entry a score, empty unless compared.
    """

    plan: Plan
    examples: Examples
    headset: HeadSet
    runs: list[Run]
    counted: list[Counted]
    selected: list[Selected]
    strips: int
    rungs: list[Rung]
    choice: Choice | None
    seconds: float


def panels_of(examples: Examples) -> int | None:
    """Regions a picture, None where it varies."""
    counts = {example.regions for example in examples.usable}
    return counts.pop() if len(counts) == 1 and not examples.usable[0].sizes else None


def evaluate(
    vlm: VLM,
    headset: HeadSet,
    examples: Examples,
    plan: Plan,
    cache: Cache,
    judge: Judge | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run `plan`; `progress` hears (done, total), a step being one picture under one choice of heads.

    Processes that a launcher started together share the pictures: all of them must call this, and all get
    the evaluation. Without a judge there are runs and nothing counted. Raises UsageError for an impossible
    number of heads, too few pictures or a sweep without judge, HeadSetError for another model's heads.
    """
    headset.check_model(vlm.digest, vlm.name)
    found = headset
    group = join()
    _agree(group, headset, examples, plan)
    began = time.monotonic()
    work = _Work(vlm, headset, examples, plan, judge, group)
    numbers, rungs, choice, top = list(range(len(examples.usable))), [], None, headset.resolve_top(plan.top)
    if plan.sweep:
        split = halves(len(examples.usable), plan.seed)
        step = _Steps(progress, passes(headset) * len(split.choosing) + work.runs * len(split.held_out))
        rungs = climb(work.task, headset, plan.score, split.choosing, plan.seed, step)
        best = best_of(rungs)
        numbers, top = split.held_out, best.k
        choice = Choice(best.k, best.gaze, len(split.choosing))
    else:
        step = _Steps(progress, work.runs * len(numbers))
    runs = work.run(top, numbers, step)
    panels = panels_of(examples)
    counted = count(runs, examples.usable, plan.task == "dynamic", panels, plan.seed) if judge else []
    selected = work.selected(top, runs[0], panels, step) if plan.compare else []
    if isinstance(judge, Endpoint):
        judge.add_up(group)
    if choice is not None:
        suggested = _suggestion(plan, choice, rungs, counted, examples)
        headset = group.from_first(lambda: with_suggestion(found, suggested, cache))
    seconds = round(time.monotonic() - began, 3)
    return Evaluation(plan, examples, headset, runs, counted, selected, len(numbers), rungs, choice, seconds)


def _agree(group: Group, headset: HeadSet, examples: Examples, plan: Plan) -> None:
    """UsageError unless every process steers the same heads over the same pictures and captions."""
    if group.size == 1:
        return
    # Strips of different folders may have the same names.
    known = [(example.name, example.truths) for example in examples.usable]
    seen = (headset.digest, examples.comics.digest, known, plan)
    group.agree("head sets, pictures or settings", seen)


def _suggestion(
    plan: Plan, choice: Choice, rungs: Sequence[Rung], counted: Sequence[Counted], examples: Examples
) -> dict[str, object]:
    held_out = len(examples.usable) - choice.strips
    why = (
        f"of {len(rungs)} numbers of heads this steered best ({plan.task}): accuracy {choice.accuracy:.3f} "
        f"on the {choice.strips} strips that chose it, {counted[0].tally.accuracy:.3f} on {held_out} "
        f"held-out ones, chance {examples.chance:.3f}"
    )
    return {"score": plan.score, "top": choice.k, "why": why}


class _Work:
    """The tasks of one plan, and what they are run with."""

    def __init__(
        self,
        vlm: VLM,
        headset: HeadSet,
        examples: Examples,
        plan: Plan,
        judge: Judge | None,
        group: Group,
    ) -> None:
        self.headset, self.plan = headset, plan
        usable, settings = examples.usable, plan.settings
        self.task: Task
        if plan.task == "dynamic":
            self.task = ScheduledNarration(vlm, usable, settings, judge, plan.every, plan.seed)
        else:
            self.task = Redirection(vlm, usable, settings, judge)
        self.task.group = group
        self.asking: Task | None = None
        if plan.question is not None:
            prompts = panel_prompts(plan.question, examples.comics.panels)
            self.asking = Asking(vlm, usable, prompts, settings.max_new_tokens, judge)
            self.asking.group = group
        self.judges = judge is not None

    @property
    def runs(self) -> int:
        """How many conditions there will be, as far as can be told before K is chosen."""
        top = self.headset.resolve_top("auto") if self.plan.sweep else self.plan.top
        compared = len(selections(self.headset, top)) - 1 if self.plan.compare else 0
        return len(self._conditions(top)) + compared

    def run(self, top: int, numbers: Sequence[int], step: Callable[[], None]) -> list[Run]:
        """Every condition over the pictures `numbers`."""
        return [
            Run(condition, list(numbers), task.trials(numbers, condition.heads, step))
            for task, condition in self._conditions(top)
        ]

    def selected(self, top: int, gaze: Run, panels: int | None, step: Callable[[], None]) -> list[Selected]:
        """Every score's best heads steered over the same pictures; `gaze` is one of them already."""
        found = []
        for score, heads in selections(self.headset, top).items():
            same = heads == gaze.condition.heads
            pictures = gaze.pictures if same else self.task.trials(gaze.numbers, heads, step)
            counts = (
                tally(Condition("gaze", heads), pictures, panels, self.plan.seed) if self.judges else None
            )
            found.append(Selected(score, heads, counts))
        return found

    def _conditions(self, top: int) -> list[tuple[Task, Condition]]:
        chosen = [(self.task, each) for each in conditions_for(self.headset, top, self.plan.score)]
        if self.asking is not None:
            chosen += [(self.asking, each) for each in blindings_for(self.headset, top, self.plan.score)]
        return chosen


class _Steps:
    """Counts what is done, and tells."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.done, self.total = progress, 0, total

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, max(self.total, self.done))
