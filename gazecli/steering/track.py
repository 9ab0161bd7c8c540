"""Attention of heads on a picture while the model writes freely: every token is watched, nothing is steered.

A map is a head's value-weighted attention on the image tokens as shares of one (arXiv 2606.14703, tracking);
beside the gaze heads, draws of other heads from the same layers are watched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gazecli.cache.store import Cache
from gazecli.errors import SpanError, SteeringError, UsageError
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.head_pairs import HeadPair, Heads
from gazecli.models.inference.generate import (
    ByToken,
    Limits,
    OnToken,
    Stop,
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
from gazecli.results import TrackResult
from gazecli.steering.inputs import Model, Origin, choose_heads, loaded
from gazecli.steering.schedule import sentence_spans
from gazecli.steering.settings import TRACKING_PROMPT, check_request
from gazecli.steering.steer import regions_with
from gazecli.steering.warned import warnings_of

LONGEST = 256

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pointing:
    """The energy pointing game: how much of the attention falls on a region, beside how much room it takes.

    area: the region's share of the picture. gaze: share of the gaze heads' attention, mean over the tokens.
    control: the same for other heads, mean over the draws, None without any.
    """

    region: Region
    area: float
    gaze: float
    control: float | None


@dataclass(frozen=True, repr=False, eq=False)
class Tracking(TrackResult):
    """A text written freely, and the attention of heads at each of its tokens.

    pieces: what each token adds to the text. controls: draws of other heads. maps: (1 + draws, tokens, N)
    float32, shares of the value-weighted attention, the gaze heads first; a step sums to one.
    """

    picture: Picture
    regions: list[Region]
    region_tokens: list[int]
    heads: list[HeadPair]
    controls: list[list[HeadPair]]
    prompt: str
    max_new_tokens: int
    text: str
    pieces: list[str] = field(repr=False)
    maps: Floats = field(repr=False)
    layout: ImageLayout = field(repr=False)
    seconds: float = 0.0
    origin: Origin | None = field(default=None, repr=False)

    @cached_property
    def warnings(self) -> list[str]:
        """Why the model's words about this picture may mean nothing; those of the document."""
        model = None if self.origin is None else self.origin.model
        return warnings_of(model, self.picture, self.layout, self.regions)

    def __repr__(self) -> str:
        watched = f"{len(self.heads)} heads and {len(self.controls)} controls"
        return f"Tracking({self.tokens} tokens, {watched}, {shortened(self.text.strip())!r})"

    @property
    def tokens(self) -> int:
        """How many were written."""
        return len(self.pieces)

    def trajectories(self) -> Floats:
        """The share of the attention on each region: (1 + draws, tokens, R), the gaze heads first."""
        return self.maps @ self.layout.region_table(self.regions)

    def mean_map(self, start: int, end: int, *, controls: bool = False) -> Floats:
        """The mean map while the tokens `start` to `end` (not included) were written: (N,)."""
        chosen = self.maps[1:] if controls else self.maps[:1]
        mean: Floats = chosen[:, start:end].mean((0, 1))
        return mean

    def pointing(self, start: int, end: int) -> list[Pointing]:
        """The energy pointing game over the tokens `start` to `end` (not included)."""
        shares = self.trajectories()[:, start:end].mean(1)  # (1 + draws, R)
        whole = self.picture.width * self.picture.height
        return [
            Pointing(
                region,
                area_of(region) / whole,
                float(shares[0, place]),
                float(shares[1:, place].mean()) if len(shares) > 1 else None,
            )
            for place, region in enumerate(self.regions)
        ]

    def peak(self, start: int, end: int) -> tuple[float, float, float, float] | None:
        """The box, in pixels, of the image token with most attention; None where no token has a box."""
        boxes = self.layout.boxes.numpy()
        seen = np.isfinite(boxes).all(1)
        if not seen.any():
            return None
        best = int(np.where(seen, self.mean_map(start, end), -1.0).argmax())
        limits = np.array([self.picture.width, self.picture.height] * 2)
        x0, y0, x1, y1 = np.clip(boxes[best], 0, limits).round(2).tolist()
        return x0, y0, x1, y1

    def sentences(self) -> list[tuple[int, int]]:
        """First and last token (not included) of each sentence; what follows the last one is one more."""
        return sentence_spans(self.pieces)


def track(
    model: Model,
    picture: Pictured,
    heads: Heads | None = None,
    prompt: str = TRACKING_PROMPT,
    *,
    top: int | str = "auto",
    score: str = "auto",
    controls: Sequence[Heads] = (),
    also: Sequence[Regional] = (),
    max_new_tokens: int = LONGEST,
    on_token: OnToken | None = None,
    cache: Cache | None = None,
) -> Tracking:
    """Let the model write about a picture and watch heads; nothing is steered.

    controls: draws of other heads to watch beside them, as `HeadSet.controls` gives one. also: regions
    besides the picture's own. The others are as of `steer`.

    Raises UsageError without heads or with an impossible length, HeadSetError for unknown heads, RegionError
    for a region without a token, SteeringError when nothing was written.
    """
    picture = Picture.of(picture)
    check_request(prompt, max_new_tokens)
    besides = picture.targets(also) if len(also) else []
    chosen = choose_heads(model, heads, top, score, cache)
    steps = track_by_token(
        loaded(model), picture, chosen, prompt, controls=controls, also=besides, max_new_tokens=max_new_tokens
    )
    return completed(steps, on_token)


def track_by_token(
    vlm: VLM,
    picture: Picture,
    heads: Heads,
    prompt: str = TRACKING_PROMPT,
    *,
    controls: Sequence[Heads] = (),
    also: Sequence[Region] = (),
    max_new_tokens: int = LONGEST,
    watcher: ValueWeightedAttention | None = None,
    stop: Stop | None = None,
    kept: KeptPicture | None = None,
) -> ByToken[Tracking]:
    """As `track`, a token at a time, until `stop`.

    `watcher`, of `heads` and the controls, is read by the caller while tokens come. `kept` spares what was
    computed of the picture before.
    """
    origin = Origin.of(vlm, heads)
    groups = [vlm.heads_among(each) for each in (heads, *controls)]
    check_request(prompt, max_new_tokens)
    began = time.monotonic()
    for group in groups:
        vlm.check_heads(group)
    inputs, layout = vlm.prepare(picture, prompt) if kept is None else kept.prepare(prompt)
    regions = regions_with(picture, also)
    owned = [len(layout.tokens(region)) for region in regions]
    watcher = watcher or ValueWeightedAttention(layout.positions, groups)
    limits = Limits(max_new_tokens)
    steps = generate_by_token(vlm, inputs, layout, None, 1, limits, watcher=watcher, stop=stop, kept=kept)
    written = (yield from steps)[0]
    if not written:
        raise SteeringError(
            "the model wrote nothing to be watched", subject=vlm.name, hint="give another --prompt"
        )
    return Tracking(
        picture=picture,
        regions=regions,
        region_tokens=owned,
        heads=groups[0],
        controls=groups[1:],
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        text=vlm.decode(written),
        pieces=pieces_of(vlm.decode, written),
        maps=np.stack([watcher.maps(0, group, len(written)) for group in range(len(groups))]),
        layout=layout,
        seconds=round(time.monotonic() - began, 3),
        origin=origin,
    )


def area_of(region: Region) -> float:
    """Square pixels of a region."""
    if region.mask is not None:
        return float(region.mask.sum())
    x0, y0, x1, y1 = region.box
    return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `end` (not included) of a text; `occurrences`: how often it holds these words."""

    wanted: str
    start: int
    end: int
    text: str
    occurrences: int


def check_spans(spans: Sequence[str]) -> None:
    """UsageError for a span without a word."""
    for span in spans:
        if not span.strip():
            raise UsageError("--span is empty", hint='name words of the text: --span "red cat"')


def find_span(pieces: Sequence[str], wanted: str) -> Span:
    """The tokens that wrote the first occurrence of `wanted`; case and the kind of white space do not count.

    Whole words go before parts of words. Raises SpanError, showing the text, when it does not occur.
    """
    text = "".join(pieces)
    pattern = r"\s+".join(re.escape(word) for word in wanted.split())
    found = list(re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE))
    found = found or list(re.finditer(pattern, text, re.IGNORECASE))
    if not found:
        raise SpanError(
            "the model did not write these words", subject=wanted, hint=f"the text is: {text.strip()}"
        )
    covering = [
        token
        for token, (start, end) in enumerate(_extents(pieces))
        if start < found[0].end() and end > found[0].start()
    ]
    start, end = covering[0], covering[-1] + 1
    return Span(wanted, start, end, "".join(pieces[start:end]).strip(), len(found))


def _extents(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """First and last character of each token; one that adds nothing belongs to what comes next."""
    ends, place = [], 0
    for piece in pieces:
        place += len(piece)
        ends.append(place)
    starts = [0, *ends[:-1]]
    for token in range(len(pieces) - 2, -1, -1):
        if not pieces[token]:
            ends[token] = ends[token + 1]
    return list(zip(starts, ends, strict=True))
