"""Narration under a schedule: does each segment describe the panel whose turn it is?

Every picture gets a random order in which no panel stands at its own place, so that following the schedule
differs from reading from left to right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gazecli.errors import UsageError
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.tasks.task import Opened, Row, Task, asked_with
from gazecli.evaluation.trials import Response
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.modes import parse_strength
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.inference.generate import Limits, generate, pieces_of
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.inference.shared_prefix import sizes_of
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.token_maps.shared_tokens import numbers_sharing
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import Schedule, plan
from gazecli.steering.settings import SteerSettings
from gazecli.steering.switch import Scheduled, Segment, segments_of


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

    def asked(self) -> dict[str, Any]:
        """How it is asked, steered and switched."""
        settings = replace(self.settings, max_new_tokens=0)  # a schedule has its own length
        return {"task": "narration", "every": self.every, **asked_with(settings)}

    def strength(self, choice: Choice) -> float:
        """That of the choice, or of the settings."""
        return parse_strength(self.settings.strength if choice.strength is None else choice.strength)

    def asked_of(self, number: int) -> object:
        """The order of the targets."""
        return self.orders[number]

    def open(self, number: int, choices: Sequence[Choice]) -> Opened:
        """A row for each choice."""
        kept = KeptPicture(self.vlm, self.examples[number].load())
        inputs, layout = kept.prepare(self.settings.prompt)
        schedule = panel_schedule(kept.picture, self.orders[number], self.every)
        rows = [Row(choice) for choice in choices]
        sizes = (sizes_of(inputs), tuple(inputs["input_ids"].flatten().tolist()), len(schedule.targets))
        prepared = _Narrated(inputs, layout, schedule, layout.region_table(kept.picture.regions))
        tokens = [layout.length + schedule.most_tokens] * len(rows)
        return Opened(number, choices, kept, prepared, sizes, rows, [None] * len(rows), tokens)

    def write(self, pictures: Sequence[Opened], rows: Sequence[Sequence[Row]]) -> list[list[Response]]:
        """The narration of each row, a response a segment."""
        vlm, settings = self.vlm, self.settings
        flat = [
            (picture.prepared, row.choice) for picture, own in zip(pictures, rows, strict=True) for row in own
        ]
        first: _Narrated = pictures[0].prepared
        heads = self.heads_of([choice for _, choice in flat])
        paces = [Scheduled(vlm, narrated.schedule) for narrated, _ in flat]
        over: dict[int, int] = {}  # row -> tokens until the last target's sentence ended
        biases: dict[tuple[int, ...], KeyBias] = {}

        def rebias(step: int, written: list[list[int]]) -> KeyBias:
            targets = [pace.target(step, row) for pace, row in zip(paces, written, strict=True)]
            known = tuple(target.number for target in targets)
            if known not in biases:
                biases[known] = key_bias(
                    heads,
                    [narrated.layout for narrated, _ in flat],
                    targets,
                    [self.strength(choice) for _, choice in flat],
                    settings.mode,
                    settings.scope,
                    vlm.device,
                )
            return biases[known]

        def stop(written: list[list[int]]) -> bool:
            longest = max(map(len, written))
            for row, tokens in enumerate(written):
                if paces[row].is_over(tokens):
                    over.setdefault(row, len(tokens))
            return all(row in over or len(tokens) < longest for row, tokens in enumerate(written))

        # Whether the heads follow is measured here, so no effect is required.
        watched = list(dict.fromkeys(choice.heads for _, choice in flat))
        watcher = ValueWeightedAttention(first.layout.positions, watched)
        texts = generate(
            vlm,
            [picture.prepared.inputs for picture in pictures],
            first.layout,
            rebias(0, [[] for _ in flat]),
            [len(own) for own in rows],
            Limits(first.schedule.most_tokens, first.schedule.least_tokens),
            watcher=watcher,
            rebias=rebias,
            stop=stop,
            kept=[picture.kept for picture in pictures],
        )
        found = []
        for row, (narrated, choice) in enumerate(flat):
            tokens = texts[row][: over.get(row)]
            trajectory = watcher.maps(row, watched.index(choice.heads), len(tokens)) @ narrated.regions
            pieces = pieces_of(vlm.decode, tokens)
            found.append(
                [
                    Response(
                        segment.region.number,
                        segment.text,
                        pieces=tuple(pieces[segment.start : segment.end]),
                        attention_delay=attention_delay(trajectory, segment),
                    )
                    if choice.heads
                    else Response(segment.region.number, segment.text)
                    for segment in segments_of(vlm, paces[row].turns, tokens)
                ]
            )
        return found

    def responses_of(self, picture: Opened, written: dict[Row, list[Response]]) -> list[list[Response]]:
        """One response a segment for each choice, in the order of writing.

        A segment that was never begun, because the text ended, is a miss.
        """
        order = self.orders[picture.number]
        narrations = [written[Row(choice)] for choice in picture.choices]
        sharing = numbers_sharing(picture.prepared.layout, picture.kept.picture.regions)
        return [
            [
                replace(response, shares_tokens=response.target in sharing)
                for response in (
                    *narration,
                    *(Response(target, "") for target in order[len(narration) :]),
                )
            ]
            for narration in narrations
        ]


class _Narrated(NamedTuple):
    """What is prepared of a picture that is narrated; regions: (N, R), which image token is whose."""

    inputs: Any
    layout: ImageLayout
    schedule: Schedule
    regions: npt.NDArray[np.float32]


def panel_order(panels: int, seed: int, number: int) -> list[int]:
    """The order in which picture `number` of an evaluation is narrated."""
    return derangement(panels, random.Random(f"{seed}-{number}"))


def panel_schedule(picture: Picture, order: Sequence[int], every: int | None) -> Schedule:
    """The panels of `picture` in `order`, changing every so many tokens or, for None, after each sentence."""
    targets = [picture.region(number) for number in order]
    return plan(targets, on="sentence") if every is None else plan(targets, every=every)


def attention_delay(trajectory: npt.NDArray[np.float32], segment: Segment) -> int | None:
    """Tokens from a segment's begin until the heads attend more to its region than to any other.

    trajectory: (tokens, panels). 1 is the segment's first token; None when they never do.
    """
    most = trajectory[segment.start : segment.end].argmax(axis=1) == segment.region.number - 1
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
