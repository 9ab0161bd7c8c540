"""Change the target while the model writes, and watch the heads follow.

The trajectory is the value-weighted attention of each written token on every region, as a share of that on
all image tokens (arXiv 2606.14703, tracking).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from gazecli.cache.store import Cache
from gazecli.errors import SteeringError
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.modes import STRENGTH, Mode, Scope
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.head_pairs import HeadPair, Heads
from gazecli.models.inference.generate import (
    ByToken,
    Limits,
    OnToken,
    completed,
    generate_by_token,
    pieces_of,
)
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture, Pictured, Regional
from gazecli.pictures.regions import Region
from gazecli.plain_text import shortened
from gazecli.results import SwitchResult
from gazecli.steering.inputs import Model, Origin, choose_heads, loaded, strength_for
from gazecli.steering.schedule import Schedule, ends_sentence, schedule_of
from gazecli.steering.settings import DYNAMIC_PROMPT, SteerSettings
from gazecli.steering.steer import regions_with, steer_regions
from gazecli.steering.warned import warnings_of

_TARGETS_AT_ONCE = 8


@dataclass(frozen=True)
class Segment:
    """What was written while one region was the target: tokens `start` to `end`, end excluded."""

    region: Region
    start: int
    end: int
    text: str


@dataclass(frozen=True, repr=False, eq=False)
class Narration(SwitchResult):
    """A text written under a schedule, and the heads' attention at each token.

    maps: (tokens, N) shares of their value-weighted attention on each image token. trajectory: (tokens, R),
    these summed over regions.
    """

    picture: Picture
    regions: list[Region]
    region_tokens: list[int]
    heads: list[HeadPair]
    settings: SteerSettings
    text: str
    tokens: int
    pieces: list[str] = field(repr=False)
    segments: list[Segment]
    maps: npt.NDArray[np.float32] = field(repr=False)
    trajectory: npt.NDArray[np.float32] = field(repr=False)
    layout: ImageLayout = field(repr=False)
    seconds: float = 0.0
    origin: Origin | None = field(default=None, repr=False)

    @cached_property
    def warnings(self) -> list[str]:
        """Why the model's words about this picture may mean nothing; those of the document."""
        model = None if self.origin is None else self.origin.model
        return warnings_of(model, self.picture, self.layout, self.regions)

    def __repr__(self) -> str:
        turns = ", ".join(segment.region.name for segment in self.segments)
        return f"Narration({self.tokens} tokens, regions {turns}, {shortened(self.text.strip())!r})"


def switch(
    model: Model,
    picture: Pictured,
    schedule: Schedule | str | Sequence[Regional],
    heads: Heads | None = None,
    prompt: str = DYNAMIC_PROMPT,
    *,
    every: int | None = None,
    at: str | Sequence[int] | None = None,
    on: Literal["sentence"] | None = None,
    top: int | str = "auto",
    score: str = "auto",
    strength: float | str = "auto",
    mode: Mode = "boost-suppress",
    scope: Scope = "answer",
    max_new_tokens: int | None = None,
    on_token: OnToken | None = None,
    require_effect: bool = True,
    cache: Cache | None = None,
) -> Narration:
    """Write one text whose target changes while it is written.

    schedule: the targets in order, as [2, 4, 3], "2,4,3" or a `Schedule`; the target changes `every` so many
    tokens (50), `at` the given tokens, or `on` "sentence" ends. The text ends with the schedule, or after
    `max_new_tokens`. The others are as of `steer`.

    Raises ScheduleError for a schedule that cannot be, and what `steer` raises; SteeringError when the heads
    did not follow. With `require_effect` off, the text is returned as it is.
    """
    picture = Picture.of(picture)
    planned = schedule_of(schedule, picture, every=every, at=at, on=on)
    longest = planned.most_tokens if max_new_tokens is None else max_new_tokens
    given = STRENGTH if strength == "auto" else strength
    settings = SteerSettings(prompt, given, mode, scope, longest)
    settings.check()
    if max_new_tokens is not None:
        planned.check_length(max_new_tokens)
    chosen = choose_heads(model, heads, top, score, cache)
    settings = replace(settings, strength=strength_for(chosen, strength))
    return narrate(
        loaded(model),
        picture,
        planned,
        chosen,
        settings,
        max_new_tokens=longest,
        on_token=on_token,
        require_effect=require_effect,
    )


def narrate(
    vlm: VLM,
    picture: Picture,
    schedule: Schedule,
    heads: Heads,
    settings: SteerSettings,
    *,
    max_new_tokens: int | None = None,
    on_token: OnToken | None = None,
    require_effect: bool = True,
) -> Narration:
    """As `switch`, of a model, a picture and heads that are at hand; `max_new_tokens` replaces the settings'.

    The end token is held back until the last target has begun.
    """
    if require_effect:
        _require_effect(vlm, picture, schedule.targets, heads, settings)
    most = max_new_tokens or schedule.most_tokens
    limits = Limits(most, min(schedule.least_tokens, most))
    narration = completed(
        narrate_by_token(vlm, picture, Scheduled(vlm, schedule), heads, settings, limits), on_token
    )
    if require_effect:
        _require_following(narration, vlm)
    return narration


class Pace(Protocol):
    """Which target is on, as tokens come."""

    @property
    def targets(self) -> Sequence[Region]:
        """Those known now."""

    @property
    def turns(self) -> Sequence[tuple[int, Region]]:
        """The token at which each target so far began."""

    def target(self, step: int, written: list[int]) -> Region:
        """The target of the token to be written at `step`."""

    def is_over(self, written: list[int]) -> bool:
        """Whether the text ends here."""


def narrate_by_token(
    vlm: VLM,
    picture: Picture,
    pace: Pace,
    heads: Heads,
    settings: SteerSettings,
    limits: Limits,
    *,
    watcher: ValueWeightedAttention | None = None,
    kept: KeptPicture | None = None,
) -> ByToken[Narration]:
    """Write one text whose target follows `pace`, a token at a time.

    `watcher`, of `heads`, is read by the caller while tokens come. `kept` spares what was computed of the
    picture before.
    """
    origin = Origin.of(vlm, heads)
    heads, by_layer = settings.check_heads(vlm, heads)
    inputs, layout = vlm.prepare(picture, settings.prompt) if kept is None else kept.prepare(settings.prompt)
    watcher = watcher or ValueWeightedAttention(layout.positions, [heads])
    biases = {target: settings.bias(vlm, by_layer, layout, [target]) for target in pace.targets}

    def rebias(step: int, written: list[list[int]]) -> KeyBias:
        target = pace.target(step, written[0])
        if target not in biases:
            biases[target] = settings.bias(vlm, by_layer, layout, [target])
        return biases[target]

    began = time.monotonic()
    steps = generate_by_token(
        vlm,
        inputs,
        layout,
        rebias(0, [[]]),
        1,
        limits,
        watcher=watcher,
        rebias=rebias,
        stop=lambda written: pace.is_over(written[0]),
        kept=kept,
    )
    written = (yield from steps)[0]
    regions = regions_with(picture, pace.targets)
    maps = watcher.maps(0, 0, len(written))
    return Narration(
        picture=picture,
        regions=regions,
        region_tokens=[layout.count(region) for region in regions],
        heads=heads,
        settings=settings,
        text=vlm.decode(written),
        tokens=len(written),
        pieces=pieces_of(vlm.decode, written),
        segments=segments_of(vlm, pace.turns, written),
        maps=maps,
        trajectory=maps @ layout.region_table(regions),
        layout=layout,
        seconds=round(time.monotonic() - began, 3),
        origin=origin,
    )


class Scheduled:
    """The pace of a schedule."""

    def __init__(self, vlm: VLM, schedule: Schedule) -> None:
        self.vlm = vlm
        self.schedule = schedule
        self.targets = schedule.targets
        self.turns = [(0, schedule.targets[0])]

    def target(self, step: int, written: list[int]) -> Region:
        """The target of the token to be written at `step`."""
        text = "" if self.schedule.starts is not None else self._text(written)
        if self.schedule.is_due(len(self.turns) - 1, step, text):
            self.turns.append((step, self.targets[len(self.turns)]))
        return self.turns[-1][1]

    def is_over(self, written: list[int]) -> bool:
        """By sentences, the text ends with the last target's sentence."""
        last = len(self.turns) == len(self.targets)
        return self.schedule.starts is None and last and ends_sentence(self._text(written))

    def _text(self, written: list[int]) -> str:
        """What was written since the last target came."""
        return self.vlm.decode(written[self.turns[-1][0] :])


def segments_of(vlm: VLM, turns: Sequence[tuple[int, Region]], written: list[int]) -> list[Segment]:
    """What was written in each turn; none for a turn that the text ended before."""
    ends = [*(start for start, _ in turns[1:]), len(written)]
    return [
        Segment(target, start, end, vlm.decode(written[start:end]).strip())
        for (start, target), end in zip(turns, ends, strict=True)
        if start < len(written)
    ]


def _require_effect(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    heads: Heads,
    settings: SteerSettings,
) -> None:
    """The bias must move the heads to every target; SteeringError.

    While a text is written, attention moves from panel to panel by itself, so the trajectory alone proves
    nothing. Attention at the first steered token, compared with the unsteered one, does.
    """
    briefly = replace(settings, max_new_tokens=2 if settings.scope == "decode" else 1)
    distinct = list({target.number: target for target in targets}.values())
    for first in range(0, len(distinct), _TARGETS_AT_ONCE):
        some = distinct[first : first + _TARGETS_AT_ONCE]
        steer_regions(vlm, picture, some, heads, briefly, with_baseline=settings.scope == "decode")


def _require_following(narration: Narration, vlm: VLM) -> None:
    """The heads must attend more to a segment's target than to other regions, on average; SteeringError."""
    boxes = [region.box for region in narration.regions]
    inside, outside = [], []
    for segment in narration.segments:
        place = boxes.index(segment.region.box)
        steered = narration.trajectory[segment.start : segment.end]
        inside += list(steered[:, place])
        outside += list(np.delete(steered, place, axis=1).ravel())
    # Written so that a NaN counts as not followed.
    if inside and outside and not float(np.mean(inside)) > float(np.mean(outside)):
        raise SteeringError(
            "the heads' attention did not follow the schedule",
            subject=vlm.name,
            hint="use a larger --strength, or check the model with `gaze doctor`",
        )
