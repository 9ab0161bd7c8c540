"""Describe regions: one prompt, one or many targets, the heads pointed at each, and proof that they moved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gazecli.cache.store import Cache
from gazecli.errors import RegionError, SteeringError
from gazecli.models.attention.bias import has_moved
from gazecli.models.attention.modes import STRENGTH, Mode, Scope
from gazecli.models.attention.watchers import RowKeeper, Together, ValueWeightedAttention
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
from gazecli.results import SteerResult
from gazecli.steering.inputs import Model, Origin, choose_heads, loaded, strength_for
from gazecli.steering.settings import SteerSettings, question_for
from gazecli.steering.unchanged import is_unchanged
from gazecli.steering.warned import warnings_of

# Watched decode steps when the bias acts on written tokens only.
_DECODE_STEPS = 8


@dataclass(frozen=True, repr=False, eq=False)
class Answer(SteerResult):
    """What the model wrote about one region, and how the heads' attention on it moved.

    attention_baseline and attention_steered: mean over the heads of the attention on the region's tokens.
    rows: (heads, N) attention of the heads on the image tokens, float32. pieces: what each token adds to the
    text. maps: (tokens, N) shares of the heads' value-weighted attention, None unless wanted. steering: what
    it is part of.
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
    steering: Steering | None = field(default=None, repr=False, compare=False)

    @property
    def unchanged(self) -> bool | None:
        """Whether it has nearly the words of the unsteered answer; None where that was not written."""
        unsteered = None if self.steering is None else self.steering.baseline
        return None if unsteered is None else is_unchanged(self.text, unsteered)

    @property
    def warnings(self) -> list[str]:
        """Why the model's words about this picture may mean nothing; those of the document."""
        return [] if self.steering is None else self.steering.warnings

    def __repr__(self) -> str:
        moved = f"{self.attention_baseline:.2f} -> {self.attention_steered:.2f}"
        return f"Answer(region {self.region.name}, {shortened(self.text)!r}, attention {moved})"


@dataclass(frozen=True, repr=False, eq=False)
class Steering(SteerResult):
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
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for answer in self.answers:
            if answer.steering is None:
                object.__setattr__(answer, "steering", self)

    @cached_property
    def warnings(self) -> list[str]:
        """Why the model's words about this picture may mean nothing; those of the document."""
        model = None if self.origin is None else self.origin.model
        return warnings_of(model, self.picture, self.layout, self.regions)

    def __repr__(self) -> str:
        name = self.origin.model.name if self.origin is not None else "a model"
        regions = ", ".join(answer.region.name for answer in self.answers)
        return f"Steering({name} on {self.picture.name!r}, {len(self.heads)} heads, regions {regions})"


def steer(
    model: Model,
    picture: Pictured,
    region: Regional,
    heads: Heads | None = None,
    prompt: str | None = None,
    *,
    top: int | str = "auto",
    score: str = "auto",
    strength: float | str = "auto",
    mode: Mode = "boost-suppress",
    scope: Scope = "full",
    max_new_tokens: int = 64,
    with_baseline: bool = True,
    with_maps: bool = True,
    require_effect: bool = True,
    on_token: OnToken | None = None,
    cache: Cache | None = None,
) -> Answer:
    """Describe one region of a picture by pointing heads at it.

    model: a loaded VLM, or a name, which is loaded for this one call. picture: a `Picture`, a path, a Pillow
    image or an array. region: a panel's number, a spec such as "10%,20%,55%,80%", four pixels or a `Region`.
    heads: a head set, its digest or file, pairs or "3.4,3.5", by default the model's newest head set; of a
    head set, the best `top` by `score` are steered, at the strength it suggests unless `strength` says so.
    prompt: by default the paper's question about a panel, or about a part of an image for other regions.
    `with_baseline` also writes the unsteered answer, and `with_maps` keeps the attention of every written
    token. `on_token` is called with (step, the tokens of each row so far); row 0 is the baseline.

    Raises PictureError, RegionError, HeadSetError, ModelError or UsageError for what is wrong with these
    before anything is loaded, SteeringError when the heads' attention did not move; with `require_effect`
    off, the answer is returned as it is.
    """
    picture = Picture.of(picture)
    target = picture.region(region, picture.panels + 1)
    given = STRENGTH if strength == "auto" else strength
    question = question_for(picture, [target]) if prompt is None else prompt
    settings = SteerSettings(question, given, mode, scope, max_new_tokens)
    settings.check()
    chosen = choose_heads(model, heads, top, score, cache)
    settings = replace(settings, strength=strength_for(chosen, strength))
    steering = steer_regions(
        loaded(model),
        picture,
        [target],
        chosen,
        settings,
        with_baseline=with_baseline,
        on_token=on_token,
        require_effect=require_effect,
        with_maps=with_maps,
    )
    return steering.answers[0]


def steer_regions(
    model: Model,
    picture: Pictured,
    targets: Sequence[Regional] | None = None,
    heads: Heads | None = None,
    settings: SteerSettings | None = None,
    *,
    with_baseline: bool = True,
    on_token: OnToken | None = None,
    require_effect: bool = True,
    with_maps: bool = False,
    cache: Cache | None = None,
    squash: bool | None = None,
    image_tokens: int | None = None,
) -> Steering:
    """Describe every target, and the picture unsteered, in one batch; row 0 is the baseline.

    Takes what `steer` takes; `targets` are by default all panels of the picture, and `heads` those a head set
    suggests. Raises what `steer` raises; with `require_effect` off, ineffective steering is returned as it
    is. With `with_maps`, the value-weighted attention of every written token is kept. `squash`
    and `image_tokens` are those of `VLM.prepare`.
    """
    picture = Picture.of(picture)
    asked = picture.targets(targets or (), targets is None)
    if settings is not None:
        settings.check()
    chosen = choose_heads(model, heads, cache=cache)
    if settings is None:
        settings = SteerSettings(question_for(picture, asked), strength_for(chosen))
    steps = steer_by_token(
        loaded(model),
        picture,
        asked,
        chosen,
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
    origin = Origin.of(vlm, heads)
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
                f"the heads' attention on region {target.name} did not move ({before:.3f} to {after:.3f})",
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
        origin=origin,
    )


def regions_with(picture: Picture, targets: Sequence[Region]) -> list[Region]:
    """The picture's regions, then the targets that are none of them, each once."""
    shown = list(picture.regions)
    for target in targets:
        if not any(known.box == target.box and known.mask is target.mask for known in shown):
            shown.append(target)
    return shown
