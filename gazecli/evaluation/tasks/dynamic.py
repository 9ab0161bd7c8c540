"""Narration under a schedule: does each segment describe the panel whose turn it is?

Every picture gets a random order in which no panel stands at its own place, so that following the schedule
differs from reading from left to right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gazecli.errors import UsageError
from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.heads.headset import Head
from gazecli.models.inference.generate import Limits, generate
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import Schedule, plan, sentence_spans
from gazecli.steering.steer import SteerSettings
from gazecli.steering.switch import Narration, Segment, switch


@dataclass
class NarrationTask(Task):
    """One narration a picture, a segment a panel of `every` tokens; None changes after each sentence."""

    settings: SteerSettings
    every: int | None
    seed: int
    orders: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.orders = [
            panel_order(each.regions, self.seed, number) for number, each in enumerate(self.examples)
        ]

    def responses(self, number: int, heads: Sequence[Head]) -> list[Response]:
        """One response a segment, in the order of writing."""
        picture, order = self.examples[number].load(), self.orders[number]
        schedule = panel_schedule(picture, order, self.every)
        if heads:
            segments = self._steered(picture, schedule, heads)
        else:
            texts = self._unsteered(picture, schedule)
            segments = [Response(target, text) for target, text in zip(order, texts, strict=False)]
        # A segment that was never begun, because the text ended, is a miss.
        return segments + [Response(target, "") for target in order[len(segments) :]]

    def _steered(self, picture: Picture, schedule: Schedule, heads: Sequence[Head]) -> list[Response]:
        # Whether the heads follow is measured here, so no effect is required.
        narration = switch(self.vlm, picture, schedule, heads, self.settings, require_effect=False)
        return [
            Response(
                segment.region.number,
                segment.text,
                pieces=tuple(narration.pieces[segment.start : segment.end]),
                attention_delay=attention_delay(narration, segment),
            )
            for segment in narration.segments
        ]

    def _unsteered(self, picture: Picture, schedule: Schedule) -> list[str]:
        """What the unsteered model writes, cut where the schedule would have changed the target."""
        inputs, layout = self.vlm.prepare(picture, self.settings.prompt)
        limits = Limits(schedule.most_tokens, schedule.least_tokens)
        written = generate(self.vlm, inputs, layout, None, 1, limits)[0]
        if schedule.starts is None:
            return sentences([self.vlm.decode([token]) for token in written])
        ends = [*schedule.starts[1:], len(written)]
        spans = zip(schedule.starts, ends, strict=True)
        return [self.vlm.decode(written[start:end]).strip() for start, end in spans]


def panel_order(panels: int, seed: int, number: int) -> list[int]:
    """The order in which picture `number` of an evaluation is narrated."""
    return derangement(panels, random.Random(f"{seed}-{number}"))


def panel_schedule(picture: Picture, order: Sequence[int], every: int | None) -> Schedule:
    """The panels of `picture` in `order`, changing every so many tokens or, for None, after each sentence."""
    targets = [picture.region(number) for number in order]
    return plan(targets, on="sentence") if every is None else plan(targets, every=every)


def attention_delay(narration: Narration, segment: Segment) -> int | None:
    """Tokens from a segment's begin until the heads attend more to its region than to any other.

    1 is its first token; None when they never do.
    """
    region = [each.box for each in narration.regions].index(segment.region.box)
    most = narration.trajectory[segment.start : segment.end].argmax(axis=1) == region
    return int(np.flatnonzero(most)[0]) + 1 if most.any() else None


def derangement(count: int, rng: random.Random) -> list[int]:
    """A random order of 1..count with no number at its own place; UsageError for fewer than two."""
    if count < 2:
        raise UsageError(
            "--task dynamic needs pictures of at least two panels",
            subject=str(count),
            hint="use --task static, or comics of more panels",
        )
    while True:
        order = rng.sample(range(1, count + 1), count)
        if all(number != place for place, number in enumerate(order, 1)):
            return order


def sentences(pieces: Sequence[str]) -> list[str]:
    """Written tokens joined into sentences; what follows the last one counts as one more unless blank."""
    texts = ["".join(pieces[start:end]).strip() for start, end in sentence_spans(pieces)]
    return [text for text in texts if text]
