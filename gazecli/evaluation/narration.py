"""Narration under a schedule: does each segment describe the panel whose turn it is?

Every picture gets a random order in which no panel stands at its own place, so that following the schedule
and reading from left to right are told apart. Knows nothing of command lines, documents or tables.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from gazecli.errors import UsageError
from gazecli.evaluation.judge import LexicalJudge
from gazecli.evaluation.sharing import shared
from gazecli.evaluation.statistics import spearman
from gazecli.evaluation.trials import Advance, Condition, Example, Tally, Trial, judge_answer, tally
from gazecli.heads.headset import Head
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.processes.group import ALONE
from gazecli.steering.generation import Limits, generate
from gazecli.steering.schedule import Schedule, ends_sentence, plan
from gazecli.steering.steer import SteerSettings
from gazecli.steering.switch import switch


class ScheduledNarration:
    """Judged segments of narrations; `every` is a segment's length in tokens, None goes by sentences."""

    group = ALONE

    def __init__(
        self, vlm: VLM, examples: Sequence[Example], settings: SteerSettings, every: int | None, seed: int
    ) -> None:
        self.vlm = vlm
        self.settings = settings
        self.examples = list(examples)
        self.judges = [LexicalJudge(example.captions) for example in examples]
        self.every = every
        self.orders = [
            derangement(len(example.captions), random.Random(f"{seed}-{number}"))
            for number, example in enumerate(examples)
        ]

    def measure(
        self, condition: Condition, numbers: Sequence[int], panels: int, seed: int, advance: Advance
    ) -> Tally:
        """The tally of one condition, with agreement in order; `advance` is called after each picture."""
        pictures = self.trials(numbers, condition.heads, advance)
        counted = tally(condition, pictures, panels, seed)
        places = [trial.described == place for trials in pictures for place, trial in enumerate(trials, 1)]
        return replace(
            counted,
            natural=sum(places) / len(places),
            schedule_rho=mean_rho([[(trial.described, trial.target) for trial in each] for each in pictures]),
            natural_rho=mean_rho(
                [[(trial.described, place) for place, trial in enumerate(each, 1)] for each in pictures]
            ),
        )

    @shared
    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """One list a picture, of one trial a segment in the order of writing."""
        judged: list[list[Trial]] = []
        for number in numbers:
            picture, order = self.examples[number].load(), self.orders[number]
            texts = self._steered(picture, order, heads) if heads else self._free(picture, order)
            judge = self.judges[number]
            # A segment that was never begun, because the text ended, is a miss.
            texts += [""] * (len(order) - len(texts))
            judged.append(
                [judge_answer(judge, target, text, None) for target, text in zip(order, texts, strict=True)]
            )
            advance()
        return judged

    def _steered(self, picture: Picture, order: Sequence[int], heads: Sequence[Head]) -> list[str]:
        told = switch(
            self.vlm,
            picture,
            self._schedule(picture, order),
            heads,
            self.settings,
            # Whether the heads follow is the question here.
            require_effect=False,
        )
        return [segment.text for segment in told.segments]

    def _free(self, picture: Picture, order: Sequence[int]) -> list[str]:
        """What the unsteered model writes, cut where the schedule would have changed the target."""
        schedule = self._schedule(picture, order)
        inputs, layout = self.vlm.prepare(picture, self.settings.prompt)
        limits = Limits(schedule.most_tokens, schedule.least_tokens)
        written = generate(self.vlm, inputs, layout, None, 1, limits)[0]
        if schedule.starts is not None:
            ends = [*schedule.starts[1:], len(written)]
            pieces = zip(schedule.starts, ends, strict=True)
            return [self.vlm.decode(written[start:end]).strip() for start, end in pieces]
        return sentences([self.vlm.decode([token]) for token in written])[: len(order)]

    def _schedule(self, picture: Picture, order: Sequence[int]) -> Schedule:
        targets = [picture.region(number) for number in order]
        return plan(targets, on="sentence") if self.every is None else plan(targets, every=self.every)


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
    """Written tokens joined into sentences; what follows the last one counts as one more."""
    found, running = [], ""
    for piece in pieces:
        running += piece
        if ends_sentence(running):
            found.append(running.strip())
            running = ""
    return [*found, running.strip()] if running.strip() else found


def mean_rho(pictures: Sequence[Sequence[tuple[int | None, int]]]) -> float | None:
    """Mean over pictures of the rank correlation of (described, expected), judged segments only."""
    rhos = []
    for pairs in pictures:
        judged = [(described, expected) for described, expected in pairs if described is not None]
        rho = spearman([described for described, _ in judged], [expected for _, expected in judged])
        if rho is not None:
            rhos.append(rho)
    return sum(rhos) / len(rhos) if rhos else None
