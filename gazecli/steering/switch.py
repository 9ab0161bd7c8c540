"""Change the target while the model writes, and watch where the heads look.

The trajectory is the attention of each written token on every region, weighted by the norms of the value
vectors (arXiv 2606.14703, tracking), as a share of that on all image tokens. Knows nothing of folders or
output formats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from gazecli.errors import SteeringError, UsageError
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.attention.value_weighted import ImageLooks, Together
from gazecli.models.attention.watchers import RegionMass
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM, HeadPair
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.steering.schedule import Schedule, ends_sentence
from gazecli.steering.spans import pieces_of
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
    """A text written under a schedule, or freely, and where the heads looked at each token.

    trajectory: (tokens, regions) float32. looks: (tokens, N) share of the look on each image token, where
    asked for.
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
    trajectory: npt.NDArray[np.float32] = field(repr=False)
    seconds: float = 0.0
    prepared: str | None = None
    layout: ImageLayout | None = field(default=None, repr=False)
    looks: npt.NDArray[np.float32] | None = field(default=None, repr=False)


def switch(
    vlm: VLM,
    picture: Picture,
    schedule: Schedule,
    heads: Sequence[HeadPair],
    settings: SteerSettings,
    *,
    max_new_tokens: int | None = None,
    on_token: Callable[[int, list[list[int]]], None] | None = None,
    require_effect: bool = True,
    with_looks: bool = False,
) -> Narration:
    """Write one text whose target follows `schedule`.

    The end token is held back until the last target has begun. Raises UsageError without heads or regions,
    SteeringError when the heads did not follow; with `require_effect` off, the text is returned as it is.
    With `with_looks`, the look of every written token is kept.
    """
    if not heads:
        raise UsageError("no heads to steer", hint="choose at least one")
    settings.check()
    by_layer = vlm.check_heads(heads)
    if require_effect:
        _require_effect(vlm, picture, schedule.targets, heads, settings)
    inputs, layout = vlm.prepare(picture, settings.prompt)
    biases = [
        key_bias(by_layer, layout, [target], settings.strength, settings.mode, settings.scope, vlm.device)
        for target in schedule.targets
    ]
    pace = _Pace(vlm, schedule, biases)
    began = time.monotonic()
    most = max_new_tokens or schedule.most_tokens
    watcher = _trajectory_watcher(vlm, picture, schedule.targets, layout, heads)
    looks = ImageLooks(layout.positions, [heads]) if with_looks else None
    written = generate(
        vlm,
        inputs,
        layout,
        biases[0],
        1,
        Limits(most, min(schedule.least_tokens, most)),
        watcher=watcher if looks is None else Together([watcher, looks]),
        on_token=on_token,
        rebias=pace.rebias,
        stop=pace.stop,
    )[0]
    segments = _segments(vlm, schedule, pace.starts, written)
    regions = regions_with(picture, schedule.targets)
    narration = narrate(vlm, picture, regions, layout, heads, settings, written, watcher, segments, began)
    if require_effect:
        _require_following(narration, vlm)
    return narration if looks is None else replace(narration, looks=looks.maps(0, 0, len(written)))


def narrate(
    vlm: VLM,
    picture: Picture,
    regions: list[Region],
    layout: ImageLayout,
    heads: Sequence[HeadPair],
    settings: SteerSettings,
    written: list[int],
    watcher: RegionMass,
    segments: list[Segment],
    began: float,
) -> Narration:
    """Put a written text and what was watched together."""
    return Narration(
        picture=picture,
        regions=regions,
        region_tokens=[layout.count(region) for region in regions],
        heads=[(layer, head) for layer, head in heads],
        settings=settings,
        text=vlm.decode(written),
        tokens=len(written),
        pieces=pieces_of(vlm.decode, written),
        segments=segments,
        trajectory=trajectory_of(watcher)[: len(written)],
        seconds=round(time.monotonic() - began, 3),
        prepared=layout.prepared,
        layout=layout,
    )


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


def _trajectory_watcher(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    layout: ImageLayout,
    heads: Sequence[HeadPair],
) -> RegionMass:
    table = layout.membership(regions_with(picture, targets), may_be_unseen=True)
    by_layer = vlm.check_heads(heads)
    return RegionMass(table[None].to(vlm.device), only=by_layer, value_weighted=True)


def trajectory_of(watcher: RegionMass) -> npt.NDArray[np.float32]:
    """Each step's share of the weighted image attention, mean over heads: (steps, R)."""
    if not watcher.steps:
        return np.zeros((0, 0), dtype=np.float32)
    steps = [torch.cat([step[layer][0].float() for layer in sorted(step)]) for step in watcher.steps]
    mass = torch.stack(steps).cpu().numpy()  # (steps, H, R + 1)
    shares = (mass[..., :-1] / np.maximum(mass[..., -1:], 1e-12)).mean(1)
    trajectory: npt.NDArray[np.float32] = shares.astype(np.float32)
    return trajectory


def _require_effect(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    heads: Sequence[HeadPair],
    settings: SteerSettings,
) -> None:
    """The bias must move the heads to every target; SteeringError.

    While a text is written heads move by themselves, from panel to panel: where they looked cannot tell
    whether they were made to. What they do at the first steered token, beside what they do unsteered, can.
    """
    briefly = replace(settings, max_new_tokens=2 if settings.scope == "decode" else 1)
    distinct = list({target.number: target for target in targets}.values())
    for first in range(0, len(distinct), _TARGETS_AT_ONCE):
        some = distinct[first : first + _TARGETS_AT_ONCE]
        steer_regions(vlm, picture, some, heads, briefly, with_baseline=settings.scope == "decode")


def _require_following(narration: Narration, vlm: VLM) -> None:
    """The heads must look more at the target inside its segments than outside them."""
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
