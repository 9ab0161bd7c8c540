"""A few pictures of an evaluation once more, with the look of every written token kept, to be shown.

Knows nothing of judges, tallies or pages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gazecli.evaluation.evaluate import Evaluation, Plan
from gazecli.evaluation.examples import Example
from gazecli.evaluation.sweep import halves
from gazecli.evaluation.tasks.dynamic import derangement
from gazecli.heads.headset import Head
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import plan as schedule_of
from gazecli.steering.steer import Steering, steer_regions
from gazecli.steering.switch import Narration, switch
from gazecli.steering.track import Tracking, track

SHOWN = 6


@dataclass(frozen=True)
class Shown:
    """One picture: steered to every region, or narrated under a schedule beside a free narration."""

    name: str
    truths: list[str]
    steering: Steering | None = None
    narration: Narration | None = None
    free: Tracking | None = None


def show(
    vlm: VLM, evaluation: Evaluation, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Shown]:
    """The first pictures the conditions were measured on; `progress` hears (done, total)."""
    plan, usable = evaluation.plan, evaluation.examples.usable
    numbers: Sequence[int] = range(len(usable))
    if evaluation.choice is not None:
        numbers = halves(len(usable), plan.seed).held_out
    k = evaluation.choice.k if evaluation.choice is not None else plan.top
    heads = evaluation.headset.top(k, plan.score)
    shown = []
    for done, number in enumerate(numbers[:SHOWN], 1):
        shown.append(_shown(vlm, usable[number], number, heads, plan))
        progress(done, min(SHOWN, len(numbers)))
    return shown


def _shown(vlm: VLM, example: Example, number: int, heads: Sequence[Head], plan: Plan) -> Shown:
    picture, truths, name = example.load(), list(example.truths or ()), example.name
    if plan.task != "dynamic":
        steering = steer_regions(
            vlm, picture, picture.regions, heads, plan.settings, require_effect=False, with_maps=True
        )
        return Shown(name, truths, steering=steering)
    narration, free = _narrated(vlm, picture, number, heads, plan)
    return Shown(name, truths, narration=narration, free=free)


def _narrated(
    vlm: VLM, picture: Picture, number: int, heads: Sequence[Head], plan: Plan
) -> tuple[Narration, Tracking]:
    order = derangement(len(picture.regions), random.Random(f"{plan.seed}-{number}"))
    targets = [picture.region(region) for region in order]
    schedule = (
        schedule_of(targets, on="sentence") if plan.every is None else schedule_of(targets, every=plan.every)
    )
    told = switch(vlm, picture, schedule, heads, plan.settings, require_effect=False)
    free = track(vlm, picture, heads, plan.settings.prompt, max_new_tokens=schedule.most_tokens)
    return told, free
