"""Change the target while the model writes, and watch the heads follow.

The trajectory is the value-weighted attention of each written token on every region, as a share of that on
all image tokens (arXiv 2606.14703, tracking).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gazecli.errors import SteeringError
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.inference.generate import Limits, OnToken, generate, pieces_of
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM, HeadPair, Heads
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.steering.schedule import Schedule, ends_sentence
from gazecli.steering.steer import SteerSettings, regions_with, steer_regions

DYNAMIC_PROMPT = (
    "Please describe each panel of this comic strip in order as I point you to them. Keep each "
    "description SHORT \u2014 one brief sentence per panel, naming the action and the salient objects. "
    "Do not summarise the whole strip first; just describe panel by panel."
)
_TARGETS_AT_ONCE = 8


@dataclass(frozen=True)
class Segment:
    """What was written while one region was the target: tokens `start` to `end`, end excluded."""

    region: Region
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Narration:
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


def switch(
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
    """Write one text whose target follows `schedule`.

    The end token is held back until the last target has begun. Raises UsageError without heads or regions,
    SteeringError when the heads did not follow; with `require_effect` off, the text is returned as it is.
    """
    heads, by_layer = settings.check_heads(vlm, heads)
    if require_effect:
        _require_effect(vlm, picture, schedule.targets, heads, settings)
    inputs, layout = vlm.prepare(picture, settings.prompt)
    biases = [settings.bias(vlm, by_layer, layout, [target]) for target in schedule.targets]
    pace = _Pace(vlm, schedule, biases)
    began = time.monotonic()
    most = max_new_tokens or schedule.most_tokens
    watcher = ValueWeightedAttention(layout.positions, [heads])
    written = generate(
        vlm,
        inputs,
        layout,
        biases[0],
        1,
        Limits(most, min(schedule.least_tokens, most)),
        watcher=watcher,
        on_token=on_token,
        rebias=pace.rebias,
        stop=pace.stop,
    )[0]
    regions = regions_with(picture, schedule.targets)
    maps = watcher.maps(0, 0, len(written))
    narration = Narration(
        picture=picture,
        regions=regions,
        region_tokens=[layout.count(region) for region in regions],
        heads=heads,
        settings=settings,
        text=vlm.decode(written),
        tokens=len(written),
        pieces=pieces_of(vlm.decode, written),
        segments=_segments(vlm, schedule, pace.starts, written),
        maps=maps,
        trajectory=maps @ layout.region_table(regions),
        layout=layout,
        seconds=round(time.monotonic() - began, 3),
    )
    if require_effect:
        _require_following(narration, vlm)
    return narration


class _Pace:
    """Which target is on, as tokens come."""

    def __init__(self, vlm: VLM, schedule: Schedule, biases: list[KeyBias]) -> None:
        self.vlm = vlm
        self.schedule = schedule
        self.biases = biases
        self.starts = [0]

    def rebias(self, step: int, written: list[list[int]]) -> KeyBias:
        """The bias for the token to be written at `step`."""
        if self._is_due(step, written[0]):
            self.starts.append(step)
        return self.biases[len(self.starts) - 1]

    def stop(self, written: list[list[int]]) -> bool:
        """By sentences, the text ends with the last target's sentence."""
        last = len(self.starts) == len(self.biases)
        return self.schedule.starts is None and last and self._sentence_done(written[0])

    def _is_due(self, step: int, tokens: list[int]) -> bool:
        if len(self.starts) == len(self.biases):
            return False
        if self.schedule.starts is not None:
            return step >= self.schedule.starts[len(self.starts)]
        return self._sentence_done(tokens)

    def _sentence_done(self, tokens: list[int]) -> bool:
        return ends_sentence(self.vlm.decode(tokens[self.starts[-1] :]))


def _segments(vlm: VLM, schedule: Schedule, starts: list[int], written: list[int]) -> list[Segment]:
    ends = [*starts[1:], len(written)]
    return [
        Segment(target, start, end, vlm.decode(written[start:end]).strip())
        for target, start, end in zip(schedule.targets, starts, ends, strict=False)
        if start < len(written)
    ]


def _require_effect(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    heads: Sequence[HeadPair],
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
