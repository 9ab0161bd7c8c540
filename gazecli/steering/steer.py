"""Describe regions: one prompt, one or many targets, the heads pointed at each, and proof that they moved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gazecli.errors import RegionError, SteeringError, UsageError
from gazecli.models.attention.bias import Mode, Scope, has_moved, key_bias, parse_strength
from gazecli.models.attention.gaze_attention import HeadsByLayer, KeyBias
from gazecli.models.attention.watchers import RowKeeper, Together, ValueWeightedAttention
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
from gazecli.models.vlm import VLM, HeadPair, Heads
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.plain_text import check_prompt

STATIC_PROMPT = "What is happening in this panel of the comic strip?"
# Watched decode steps when the bias acts on written tokens only.
_DECODE_STEPS = 8


@dataclass(frozen=True)
class SteerSettings:
    """How to steer; defaults are the paper's recipe with a strength that keeps bfloat16 exact."""

    prompt: str = STATIC_PROMPT
    strength: float | str = 10.0
    mode: Mode = "boost-suppress"
    scope: Scope = "full"
    max_new_tokens: int = 64

    def check(self) -> None:
        """Raise UsageError for a value that makes no sense."""
        parse_strength(self.strength)
        check_request(self.prompt, self.max_new_tokens)
        if self.scope == "decode" and self.max_new_tokens < 2:
            raise UsageError("scope decode acts from the second token on", hint="raise --max-new-tokens")

    def check_heads(self, vlm: VLM, heads: Heads) -> tuple[list[HeadPair], dict[int, list[int]]]:
        """The heads to steer, in order and by layer, after `check`; raises as `VLM.check_heads`."""
        pairs = vlm.heads_among(heads)
        self.check()
        return pairs, vlm.check_heads(pairs)

    def bias(
        self,
        vlm: VLM,
        heads: HeadsByLayer | Sequence[HeadsByLayer],
        layout: ImageLayout,
        targets: Sequence[Region | None],
    ) -> KeyBias:
        """The bias that points `heads`, of all rows or of each, at one target a row, as `key_bias`."""
        return key_bias(heads, layout, targets, self.strength, self.mode, self.scope, vlm.device)


@dataclass(frozen=True)
class Answer:
    """What the model wrote about one region, and how the heads' attention on it moved.

    attention_baseline and attention_steered: mean over the heads of the attention on the region's tokens.
    rows: (heads, N) attention of the heads on the image tokens, float32. pieces: what each token adds to the
    text. maps: (tokens, N) shares of the heads' value-weighted attention, None unless wanted.
    """

    region: Region
    text: str
    tokens: int
    attention_baseline: float
    attention_steered: float
    image_tokens: int
    rows: npt.NDArray[np.float32] = field(repr=False)
    pieces: list[str] = field(default_factory=list, repr=False)
    maps: npt.NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Steering:
    """All answers about one picture. `baseline` is None when it was not wanted."""

    picture: Picture
    regions: list[Region]
    region_tokens: list[int]
    heads: list[HeadPair]
    settings: SteerSettings
    baseline: str | None
    baseline_tokens: int
    baseline_rows: npt.NDArray[np.float32] = field(repr=False)
    answers: list[Answer]
    layout: ImageLayout = field(repr=False)
    seconds: float = 0.0
    baseline_pieces: list[str] = field(default_factory=list, repr=False)
    baseline_maps: npt.NDArray[np.float32] | None = field(default=None, repr=False)


def steer(
    vlm: VLM,
    picture: Picture | str | Path,
    region: Region | int | str | Sequence[float],
    heads: Heads,
    prompt: str = STATIC_PROMPT,
    **settings: Any,
) -> Answer:
    """Describe one region of `picture`, or of the file of that name, by pointing `heads` at it.

    Raises RegionError for a region that is not there, HeadSetError for unknown heads, SteeringError when
    the heads' attention did not move.
    """
    picture = Picture.of(picture)
    target = region if isinstance(region, Region) else picture.region(region)
    return steer_regions(vlm, picture, [target], heads, SteerSettings(prompt=prompt, **settings)).answers[0]


def steer_regions(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    heads: Heads,
    settings: SteerSettings,
    *,
    with_baseline: bool = True,
    on_token: OnToken | None = None,
    require_effect: bool = True,
    with_maps: bool = False,
    squash: bool | None = None,
    image_tokens: int | None = None,
) -> Steering:
    """Describe every target, and the picture unsteered, in one batch; row 0 is the baseline.

    Raises what `steer` raises; with `require_effect` off, ineffective steering is returned as it is. With
    `with_maps`, the value-weighted attention of every written token is kept. `squash` and `image_tokens` are
    those of `VLM.prepare`.
    """
    steps = steer_by_token(
        vlm,
        picture,
        targets,
        heads,
        settings,
        with_baseline=with_baseline,
        require_effect=require_effect,
        with_maps=with_maps,
        squash=squash,
        image_tokens=image_tokens,
    )
    return completed(steps, on_token)


def steer_by_token(
    vlm: VLM,
    picture: Picture,
    targets: Sequence[Region],
    heads: Heads,
    settings: SteerSettings,
    *,
    with_baseline: bool = True,
    require_effect: bool = True,
    with_maps: bool = False,
    squash: bool | None = None,
    image_tokens: int | None = None,
    kept: KeptPicture | None = None,
) -> ByToken[Steering]:
    """As `steer_regions`, a token at a time. `kept` spares what was computed of the picture before, and is
    prepared as the model does it by itself.
    """
    if not targets:
        raise RegionError("no region to look at", hint="name one, or give the picture's panels")
    heads, by_layer = settings.check_heads(vlm, heads)
    began = time.monotonic()
    if kept is None:
        inputs, layout = vlm.prepare(picture, settings.prompt, squash=squash, image_tokens=image_tokens)
    else:
        inputs, layout = kept.prepare(settings.prompt)
    bias = settings.bias(vlm, by_layer, layout, [None, *targets])
    first_watched, watched = (1, _DECODE_STEPS) if settings.scope == "decode" else (0, 1)
    watcher = RowKeeper(by_layer, layout.length, first_watched, watched)
    weighted = ValueWeightedAttention(layout.positions, [heads]) if with_maps else None
    written = yield from generate_by_token(
        vlm,
        inputs,
        layout,
        bias,
        len(targets) + 1,
        Limits(settings.max_new_tokens),
        watcher=watcher if weighted is None else Together([watcher, weighted]),
        only_first=() if with_baseline else (0,),
        kept=kept,
    )
    if not watcher.steps:
        raise SteeringError(
            "every answer ended before steering began", subject=vlm.name, hint="use --scope answer or full"
        )
    rows = watcher.image_rows(layout.positions)  # (targets + 1, heads, N)
    answers = []
    for row, (target, tokens) in enumerate(zip(targets, written[1:], strict=True), 1):
        owned = layout.owned(target)
        before, after = (float(each[:, owned].sum(1).mean()) for each in (rows[0], rows[row]))
        if require_effect and not has_moved(before, after, settings.mode):
            raise SteeringError(
                f"the heads' attention on region {target.number} did not move ({before:.3f} to {after:.3f})",
                subject=vlm.name,
                hint="this answer would be an unsteered one; use a larger --strength, or check the model "
                "with `gaze doctor`",
            )
        answers.append(
            Answer(
                region=target,
                text=vlm.decode(tokens).strip(),
                tokens=len(tokens),
                attention_baseline=before,
                attention_steered=after,
                image_tokens=int(owned.sum()),
                rows=rows[row],
                pieces=pieces_of(vlm.decode, tokens),
                maps=weighted.maps(row, 0, len(tokens)) if weighted else None,
            )
        )
    regions = regions_with(picture, targets)
    return Steering(
        picture=picture,
        regions=regions,
        region_tokens=[layout.count(region) for region in regions],
        heads=heads,
        settings=settings,
        baseline=vlm.decode(written[0]).strip() if with_baseline else None,
        baseline_tokens=len(written[0]),
        baseline_rows=rows[0],
        answers=answers,
        layout=layout,
        seconds=round(time.monotonic() - began, 3),
        baseline_pieces=pieces_of(vlm.decode, written[0]),
        baseline_maps=weighted.maps(0, 0, len(written[0])) if weighted else None,
    )


def check_request(prompt: str, max_new_tokens: int) -> None:
    """UsageError for an empty prompt or an impossible length."""
    if not 1 <= max_new_tokens <= 100_000:
        raise UsageError(
            "--max-new-tokens must lie between 1 and 100000",
            subject=str(max_new_tokens),
            hint="leave it out for the default",
        )
    check_prompt(prompt)


def regions_with(picture: Picture, targets: Sequence[Region]) -> list[Region]:
    """The picture's regions, then the targets that are none of them, each once."""
    shown = list(picture.regions)
    for target in targets:
        if not any(known.box == target.box and known.mask is target.mask for known in shown):
            shown.append(target)
    return shown
