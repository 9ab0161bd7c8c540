"""Narration under a schedule: does each segment describe the panel whose turn it is?

Every picture gets a random order in which no panel stands at its own place, so that following the schedule
and reading from left to right are told apart. Knows nothing of command lines, documents or tables.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from gazecli.distributed.group import ALONE
from gazecli.errors import UsageError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.tasks.task import Advance, shared
from gazecli.evaluation.trials import Said, Trial, judged
from gazecli.heads.headset import Head
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import Schedule, plan, sentence_spans
from gazecli.steering.steer import SteerSettings
from gazecli.steering.switch import Narration, Segment, switch


class ScheduledNarration:
    """Judged segments of narrations; `every` is a segment's length in tokens, None goes by sentences."""

    group = ALONE

    def __init__(
        self,
        vlm: VLM,
        examples: Sequence[Example],
        settings: SteerSettings,
        judge: Judge | None,
        every: int | None,
        seed: int,
    ) -> None:
        self.vlm = vlm
        self.settings = settings
        self.examples = list(examples)
        self.judge = judge
        self.every = every
        self.orders = [
            derangement(example.regions, random.Random(f"{seed}-{number}"))
            for number, example in enumerate(examples)
        ]

    @shared
    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """One list a picture, of one trial a segment in the order of writing."""
        found: list[list[Trial]] = []
        for number in numbers:
            picture, order = self.examples[number].load(), self.orders[number]
            told = self._steered(picture, order, heads) if heads else self._free(picture, order)
            # A segment that was never begun, because the text ended, is a miss.
            told += [Said(target, "") for target in order[len(told) :]]
            found.append(judged(self.judge, self.examples[number], told))
            advance()
        return found

    def _steered(self, picture: Picture, order: Sequence[int], heads: Sequence[Head]) -> list[Said]:
        told = switch(
            self.vlm,
            picture,
            self._schedule(picture, order),
            heads,
            self.settings,
            # Whether the heads follow is the question here.
            require_effect=False,
        )
        return [
            Said(
                segment.region.number,
                segment.text,
                pieces=tuple(told.pieces[segment.start : segment.end]),
                looked=tokens_until_looking(told, segment),
            )
            for segment in told.segments
        ]

    def _free(self, picture: Picture, order: Sequence[int]) -> list[Said]:
        """What the unsteered model writes, cut where the schedule would have changed the target."""
        schedule = self._schedule(picture, order)
        inputs, layout = self.vlm.prepare(picture, self.settings.prompt)
        limits = Limits(schedule.most_tokens, schedule.least_tokens)
        written = generate(self.vlm, inputs, layout, None, 1, limits)[0]
        if schedule.starts is not None:
            ends = [*schedule.starts[1:], len(written)]
            spans = zip(schedule.starts, ends, strict=True)
            texts = [self.vlm.decode(written[start:end]).strip() for start, end in spans]
        else:
            texts = sentences([self.vlm.decode([token]) for token in written])
        return [Said(target, text) for target, text in zip(order, texts, strict=False)]

    def _schedule(self, picture: Picture, order: Sequence[int]) -> Schedule:
        targets = [picture.region(number) for number in order]
        return plan(targets, on="sentence") if self.every is None else plan(targets, every=self.every)


def tokens_until_looking(told: Narration, segment: Segment) -> int | None:
    """How many tokens after a segment's begin the heads first look more at its region than at any other.

    1 is its first token; None when they never do.
    """
    place = [region.box for region in told.regions].index(segment.region.box)
    there = told.trajectory[segment.start : segment.end].argmax(axis=1) == place
    return int(np.flatnonzero(there)[0]) + 1 if there.any() else None


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
