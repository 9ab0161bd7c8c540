"""A plan is executed: choose K where a sweep is planned, run every condition, measure.

What computes with a model is imported when there is one: a plan alone finds a kept evaluation again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gazecli.cache.store import Cache
from gazecli.distributed.group import join
from gazecli.evaluation.conditions import CONTROLS, Choice, Condition, conditions_for
from gazecli.evaluation.examples import Example, Examples, chance_of
from gazecli.evaluation.judges.endpoint import EndpointJudge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.metrics import ConditionMetrics, condition_metrics, run_metrics
from gazecli.evaluation.score_choice import ScoreChoice, choose_score, pictures_to_try
from gazecli.evaluation.sweep import (
    SweepName,
    SweepPoint,
    gentlest,
    halves,
    head_steps,
    strength_steps,
    sweep,
)
from gazecli.evaluation.trials import Run
from gazecli.evaluation.wanted import TaskName
from gazecli.heads.headset import Head, HeadSet, selections
from gazecli.heads.questions import panel_prompts
from gazecli.models.attention.modes import parse_strength
from gazecli.steering.settings import DYNAMIC_PROMPT, STATIC_PROMPT, VQA_PROMPT, SteerSettings

if TYPE_CHECKING:
    from gazecli.evaluation.tasks.task import Advance, Task
    from gazecli.models.vlm import VLM
    from gazecli.steering.steer import Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking

Stage = Callable[[str, int, int], None]  # (name, choices a picture, choices of later stages)
PROMPTS: dict[TaskName, str] = {
    "static": STATIC_PROMPT,
    "vqa": VQA_PROMPT,
    "dynamic": DYNAMIC_PROMPT,
}


@dataclass(frozen=True)
class Plan:
    """What to evaluate. every: tokens a segment of a narration, None goes by sentences. top: heads to steer
    by `score`, at the settings' strength, unless `sweep` chooses them; scores: those it tries, or without a
    sweep two of which the one that steers better is taken, `score` being the first. seed: resampling, halves
    and schedules. question: the template that names a region by its place, for which heads are blinded; None
    blinds none. compare: steer by every score. min_area: smallest things of natural pictures, in pixels.
    controls, low_controls: draws of other heads, as `conditions_for`. protocol: the preset that chose what
    was left out, if any.
    """

    task: TaskName
    settings: SteerSettings
    top: int
    score: str
    seed: int = 42
    every: int | None = None
    sweep: SweepName | None = None
    question: str | None = None
    compare: bool = False
    min_area: float | None = None
    scores: tuple[str, ...] = ()
    controls: int = CONTROLS
    low_controls: int = 0
    protocol: str | None = None


@dataclass(frozen=True)
class SweepChoice:
    """What a sweep chose: accuracy on the strips that chose it, and how many those were.

    strength: None where it was not swept. refused: why the choice is no suggestion, None where it is one.
    """

    k: int
    accuracy: float
    strips: int
    score: str
    strength: float | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Selector:
    """The best heads by one score, and what steering them gave; None where nobody judged."""

    score: str
    heads: list[Head]
    metrics: ConditionMetrics | None


@dataclass(frozen=True)
class Execution:
    """What came out. headset: the one evaluated, or its copy with the suggestion that was chosen.

    runs: one a condition, the gaze heads first. metrics: one entry a run, empty where nobody judged.
    selectors: one entry a score, empty unless compared. sweep and choice: empty and None without a sweep;
    score_choice: None where no scores were tried.
    """

    plan: Plan
    examples: Examples
    headset: HeadSet
    runs: list[Run]
    metrics: list[ConditionMetrics]
    selectors: list[Selector]
    sweep: list[SweepPoint]
    choice: SweepChoice | None
    score_choice: ScoreChoice | None
    seconds: float

    @property
    def strips(self) -> int:
        """How many pictures the runs are over."""
        return len(self.runs[0].numbers)


def execute(
    vlm: VLM,
    headset: HeadSet,
    examples: Examples,
    plan: Plan,
    judge: Judge | None,
    cache: Cache,
    progress: Callable[[int, int], None] = lambda done, total: None,
    batch_size: int | None = None,
    anew: bool = False,
    stage: Stage = lambda name, each, later: None,
) -> Execution:
    """Run `plan`; `progress` is called with (done, total) pictures of each stage. `stage` is told
    a stage's name, how many choices of heads each of its pictures is written about under, and how many follow
    it, over all pictures.

    Texts are kept in the cache as they are written: a run that was interrupted goes on where it was, and one
    with more pictures or controls writes only what is new. Processes that a launcher started together share
    the pictures: all of them must call this, and all get the evaluation. Without a judge, which a sweep
    needs, there are runs and no metrics. `batch_size` rows are written at a time, or as many as fit;
    with `anew` also what is kept. What was chosen by steering becomes the suggestion of a head set of its
    own in the cache, unless chance or controls do as well.

    Raises UsageError for an impossible number of heads or too few pictures, HeadSetError for another model's
    heads.
    """
    headset.check_model(vlm.digest, vlm.name)
    group = join()
    if group.size > 1:
        # Strips of different folders may have the same names.
        known = [(example.name, example.truths) for example in examples.usable]
        seen = (headset.digest, examples.comics.digest, known, plan)
        group.agree("head sets, pictures or settings", seen)
    began = time.monotonic()
    shared = {"judge": judge, "cache": cache, "batch_size": batch_size, "anew": anew}
    steering, blinding = _tasks(vlm, examples, plan, shared)
    numbers, plan = list(range(len(examples.usable))), replace(plan, top=headset.resolve_top(plan.top))
    points: list[SweepPoint] = []
    choice, by_score = None, None
    tries = judge is not None and plan.sweep is None and len(plan.scores) == 2
    trying = pictures_to_try(len(numbers), plan.seed) if tries else []
    if plan.sweep is not None:
        choosing, numbers = halves(len(numbers), plan.seed)
        steps = _steps(headset, plan)
        stage(f"choosing the {plan.sweep}", 2 * len(steps), len(numbers) * _choices(headset, plan))
        advance = _advance(progress, len(choosing))
        points = sweep(steering, headset, steps, choosing, plan.seed, advance)
        best = gentlest(points)
        choice = SweepChoice(best.k, best.gaze, len(choosing), best.score or plan.score, best.strength)
        plan = replace(plan, top=choice.k, score=choice.score)
        if choice.strength is not None:
            plan = replace(plan, settings=replace(plan.settings, strength=choice.strength))
            steering, blinding = _tasks(vlm, examples, plan, shared)
    if trying:
        stage("choosing the score", len(plan.scores), len(numbers) * _choices(headset, plan))
        advance = _advance(progress, len(trying))
        by_score = choose_score(steering, headset, plan.top, plan.scores, trying, plan.seed, advance)
        plan = replace(plan, score=by_score.score)
    conditions = conditions_for(
        headset, plan.top, plan.score, plan.question is not None, plan.controls, plan.low_controls
    )
    selected = selections(headset, plan.top) if plan.compare else {}
    steered = [condition for condition in conditions if not condition.blinds]
    asked = [condition.choice for condition in steered] + [Choice(tuple(each)) for each in selected.values()]
    blinded = [condition for condition in conditions if condition.blinds]
    stage("steered, beside controls", len(asked), len(numbers) * len(blinded))
    found = steering.trials(numbers, asked, _advance(progress, len(numbers)))
    of_conditions, of_selectors = found[: len(steered)], found[len(steered) :]
    if blinded:
        stage("asked, heads blind", len(blinded), 0)
        choices = [condition.choice for condition in blinded]
        of_conditions += blinding.trials(numbers, choices, _advance(progress, len(numbers)))
    runs = [
        Run(condition, numbers, pictures)
        for condition, pictures in zip([*steered, *blinded], of_conditions, strict=True)
    ]
    metrics = run_metrics(runs, examples.usable, plan.task == "dynamic", plan.seed) if judge else []
    selectors = [
        Selector(
            score,
            heads,
            condition_metrics(Condition("gaze", heads), pictures, None, plan.seed) if judge else None,
        )
        for (score, heads), pictures in zip(selected.items(), of_selectors, strict=True)
    ]
    if isinstance(judge, EndpointJudge):
        judge.add_up(group)
    chance = chance_of([examples.usable[number] for number in numbers])
    if choice is not None:
        refused = _why_no_suggestion(plan, choice.accuracy, metrics, chance)
        choice = replace(choice, refused=refused)
    if by_score is not None:
        refused = _why_no_suggestion(plan, by_score.accuracy, metrics, chance)
        by_score = replace(by_score, refused=refused)
    seconds = round(time.monotonic() - began, 3)
    done = Execution(plan, examples, headset, runs, metrics, selectors, points, choice, by_score, seconds)
    if all(each is None or each.refused is not None for each in (choice, by_score)):
        return done
    return replace(done, headset=group.from_first(lambda: _with_suggestion(done, chance, cache)))


def _tasks(vlm: VLM, examples: Examples, plan: Plan, shared: dict[str, Any]) -> tuple[Task, Task]:
    """The one that steers, and the one that blinds if the plan has a question for it."""
    from gazecli.evaluation.tasks.blinding import BlindingTask
    from gazecli.evaluation.tasks.dynamic import NarrationTask
    from gazecli.evaluation.tasks.static import RedirectionTask

    usable, settings = examples.usable, plan.settings
    prompts = panel_prompts(plan.question, examples.comics.panels) if plan.question is not None else []
    blinding = BlindingTask(vlm, usable, prompts, settings.max_new_tokens, **shared)
    if plan.task == "dynamic":
        return NarrationTask(vlm, usable, settings, plan.every, plan.seed, **shared), blinding
    return RedirectionTask(vlm, usable, settings, **shared), blinding


def _steps(headset: HeadSet, plan: Plan) -> list[tuple[int, str, float | None]]:
    """What the plan's sweep tries."""
    if plan.sweep == "strength":
        return strength_steps(plan.top, plan.score)
    return head_steps(headset, plan.scores or (plan.score,))


def _advance(progress: Callable[[int, int], None], total: int) -> Advance:
    done = 0

    def advance(by: int) -> None:
        nonlocal done
        done += by
        progress(done, total)

    return advance


def _choices(headset: HeadSet, plan: Plan) -> int:
    """Under how many choices of heads each picture is written about once it is known which are steered."""
    blinds = plan.question is not None
    conditions = conditions_for(headset, plan.top, plan.score, blinds, plan.controls, plan.low_controls)
    return len(conditions) + (len(selections(headset, plan.top)) if plan.compare else 0)


def _why_no_suggestion(
    plan: Plan, accuracy: float, metrics: Sequence[ConditionMetrics], chance: float
) -> str | None:
    """Why what was chosen, with `accuracy` where it was, may not be kept as a suggestion; None where it may.

    It has to beat what needs no gaze heads, there and in the conditions. A strength says nothing in a mode
    other than that in which suggestions are used.
    """
    gaze = metrics[0].accuracy
    controls = [each.accuracy for each in metrics if each.condition.name == "control"]
    if min(gaze, accuracy) <= chance:
        return f"accuracy {min(gaze, accuracy):.3f} is no better than chance, {chance:.3f}"
    if controls and gaze <= max(controls):
        return f"accuracy {gaze:.3f} lies within the controls' range, up to {max(controls):.3f}"
    if plan.sweep == "strength" and plan.settings.mode != SteerSettings.mode:
        return f"the strength was chosen in mode {plan.settings.mode}, and is not a suggestion for others"
    return None


def _with_suggestion(done: Execution, chance: float, cache: Cache) -> HeadSet:
    """The head set with what was chosen as its suggestion, kept in the cache under its own digest."""
    plan, choice, by_score = done.plan, done.choice, done.score_choice
    strength = None
    if choice is not None:
        what = "strengths" if choice.strength is not None else "choices of heads"
        held_out = f"{done.metrics[0].accuracy:.3f} on {done.strips} held-out ones"
        why = (
            f"of {len(done.sweep)} {what} this steered best ({plan.task}), or as well within one standard "
            f"error: accuracy {choice.accuracy:.3f} on the {choice.strips} strips that chose it, {held_out}"
        )
        strength = choice.strength
    else:
        assert by_score is not None
        why = f"chosen by steering ({plan.task}): {by_score.words}"
    # One that was chosen before still holds where these heads were steered by it.
    if strength is None and done.headset.strength == parse_strength(plan.settings.strength):
        strength = done.headset.strength
    suggested = {"score": plan.score, "top": plan.top, "why": f"{why}, chance {chance:.3f}"}
    suggested |= {} if strength is None else {"strength": strength}
    changed = replace(done.headset, header={**done.headset.header, "suggested": suggested})
    digest, path = cache.put(changed.to_artifact())
    return replace(changed, digest=digest, path=path)


def generate_with_maps(
    vlm: VLM, example: Example, number: int, heads: Sequence[Head], plan: Plan
) -> Steering | tuple[Narration, Tracking]:
    """Picture `number` once more, with the attention of every written token kept.

    It is steered to every region, or narrated under its schedule and freely.
    """
    from gazecli.evaluation.tasks.dynamic import panel_order, panel_schedule
    from gazecli.steering.steer import steer_regions
    from gazecli.steering.switch import narrate
    from gazecli.steering.track import track

    picture, settings = example.load(), plan.settings
    if plan.task != "dynamic":
        return steer_regions(
            vlm, picture, picture.regions, heads, settings, require_effect=False, with_maps=True
        )
    schedule = panel_schedule(picture, panel_order(example.regions, plan.seed, number), plan.every)
    narration = narrate(vlm, picture, schedule, heads, settings, require_effect=False)
    return narration, track(vlm, picture, heads, settings.prompt, max_new_tokens=schedule.most_tokens)
