"""Sample pictures of an evaluation, generated once more with the attention of every written token kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gazecli.evaluation.evaluate import Plan
from gazecli.evaluation.examples import Example
from gazecli.evaluation.tasks.dynamic import panel_order, panel_schedule
from gazecli.heads.headset import Head
from gazecli.models.vlm import VLM
from gazecli.steering.steer import Steering, steer_regions
from gazecli.steering.switch import Narration, switch
from gazecli.steering.track import Tracking, track

SAMPLES = 6


@dataclass(frozen=True)
class PageSample:
    """One picture: steered to every region, or narrated under a schedule beside a free narration."""

    name: str
    truths: list[str]
    steering: Steering | None = None
    narration: Narration | None = None
    free: Tracking | None = None


def page_samples(
    vlm: VLM,
    examples: Sequence[Example],
    numbers: Sequence[int],
    heads: Sequence[Head],
    plan: Plan,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PageSample]:
    """The first of the pictures `numbers`, with `heads` steered; `progress` is called with (done, total)."""
    shown = numbers[:SAMPLES]
    samples = []
    for done, number in enumerate(shown, 1):
        samples.append(_sample(vlm, examples[number], number, heads, plan))
        progress(done, len(shown))
    return samples


def _sample(vlm: VLM, example: Example, number: int, heads: Sequence[Head], plan: Plan) -> PageSample:
    picture, truths, settings = example.load(), list(example.truths or ()), plan.settings
    if plan.task != "dynamic":
        steering = steer_regions(
            vlm, picture, picture.regions, heads, settings, require_effect=False, with_maps=True
        )
        return PageSample(example.name, truths, steering=steering)
    schedule = panel_schedule(picture, panel_order(example.regions, plan.seed, number), plan.every)
    narration = switch(vlm, picture, schedule, heads, settings, require_effect=False)
    free = track(vlm, picture, heads, settings.prompt, max_new_tokens=schedule.most_tokens)
    return PageSample(example.name, truths, narration=narration, free=free)
