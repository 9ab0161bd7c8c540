"""Steered answers, switched narrations and tracked texts become documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.models.attention.bias import parse_strength
from gazecli.models.vlm import VLM, HeadPair
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.reports.documents.parts import (
    AnswerPart,
    AttentionPart,
    GeneratedPart,
    ModelPart,
    PicturePart,
    RegionPart,
    SteeringSettings,
    TimingPart,
)
from gazecli.reports.documents.results import (
    ControlTrajectoryPart,
    PointingPart,
    SegmentPart,
    SentencePart,
    SpanPart,
    SteerDocument,
    SwitchDocument,
    TrackDocument,
    TrackSettings,
    TrajectoryPart,
    TurnPart,
)
from gazecli.steering.steer import Answer, Steering, SteerSettings
from gazecli.steering.switch import Narration
from gazecli.steering.track import Floats, Pointing, Span, Tracking

DIGITS = 5


@dataclass(frozen=True)
class Provenance:
    """Where the heads came from: the head set's digest, and the score that ranked them."""

    headset: str
    score: str


def steer_document(
    vlm: VLM,
    steering: Steering,
    provenance: Provenance,
    heatmap: str | None = None,
    page: str | None = None,
) -> SteerDocument:
    """What `steer` prints."""
    baseline = (
        GeneratedPart(text=steering.baseline.strip(), tokens=steering.baseline_tokens)
        if steering.baseline is not None
        else None
    )
    return SteerDocument(
        model=model_part(vlm),
        headset=provenance.headset,
        heads=list(steering.heads),
        picture=picture_part(steering.picture, steering.layout.prepared),
        regions=region_parts(steering.regions, steering.region_tokens),
        prompt=steering.settings.prompt,
        settings=settings_part(steering.settings, steering.heads, provenance),
        baseline=baseline,
        answers=[_answer(answer) for answer in steering.answers],
        heatmap=heatmap,
        page=page,
        timing=TimingPart(seconds=steering.seconds),
    )


def switch_document(
    vlm: VLM,
    narration: Narration,
    provenance: Provenance,
    trajectory_file: str | None = None,
    page: str | None = None,
) -> SwitchDocument:
    """What `switch` prints."""
    return SwitchDocument(
        model=model_part(vlm),
        headset=provenance.headset,
        heads=list(narration.heads),
        picture=picture_part(narration.picture, narration.layout.prepared),
        regions=region_parts(narration.regions, narration.region_tokens),
        prompt=narration.settings.prompt,
        settings=settings_part(narration.settings, narration.heads, provenance),
        schedule=[TurnPart(token=s.start, region=s.region.number) for s in narration.segments],
        text=narration.text.strip(),
        tokens=narration.tokens,
        segments=[
            SegmentPart(region=s.region.number, start=s.start, end=s.end, text=s.text)
            for s in narration.segments
        ],
        trajectory=_trajectory(narration.heads, narration.trajectory),
        trajectory_file=trajectory_file,
        page=page,
        timing=TimingPart(seconds=narration.seconds),
    )


def model_part(vlm: VLM) -> ModelPart:
    """Which model it was."""
    return ModelPart(
        name=vlm.name,
        id=vlm.id,
        revision=vlm.revision,
        digest=vlm.digest,
        family=vlm.family,
        layers=vlm.layers,
        heads=vlm.heads,
        dtype=vlm.dtype,
    )


def picture_part(picture: Picture, prepared: str | None = None) -> PicturePart:
    """Which picture it was."""
    return PicturePart(
        path=picture.path,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        prepared=prepared,
    )


def region_parts(regions: Sequence[Region], tokens: Sequence[int]) -> list[RegionPart]:
    """The regions with the number of image tokens that cover each."""
    return [
        RegionPart(number=region.number, box=region.box, tokens=count, label=region.label)
        for region, count in zip(regions, tokens, strict=True)
    ]


def settings_part(
    settings: SteerSettings, heads: Sequence[HeadPair], provenance: Provenance
) -> SteeringSettings:
    """How it was steered."""
    return SteeringSettings(
        strength=parse_strength(settings.strength),
        mode=settings.mode,
        scope=settings.scope,
        top=len(heads),
        score=provenance.score,
        max_new_tokens=settings.max_new_tokens,
    )


def _answer(answer: Answer) -> AnswerPart:
    moved = AttentionPart(
        baseline=round(answer.attention_baseline, 6), steered=round(answer.attention_steered, 6)
    )
    return AnswerPart(
        region=answer.region.number, text=answer.text, tokens=answer.tokens, attention_on_region=moved
    )


@dataclass(frozen=True)
class Written:
    """Files that were written beside the document."""

    trajectory: str | None = None
    heatmap: str | None = None
    page: str | None = None


def track_document(
    vlm: VLM,
    tracking: Tracking,
    provenance: Provenance,
    seeds: Sequence[int],
    spans: Sequence[Span] = (),
    files: Written = Written(),
) -> TrackDocument:
    """What `track` prints; `seeds` drew the controls."""
    trajectories = tracking.trajectories()
    return TrackDocument(
        model=model_part(vlm),
        headset=provenance.headset,
        heads=list(tracking.heads),
        picture=picture_part(tracking.picture, tracking.layout.prepared),
        regions=region_parts(tracking.regions, tracking.region_tokens),
        prompt=tracking.prompt,
        settings=TrackSettings(
            top=len(tracking.heads), score=provenance.score, max_new_tokens=tracking.max_new_tokens
        ),
        text=tracking.text.strip(),
        tokens=tracking.tokens,
        pieces=list(tracking.pieces),
        trajectory=_trajectory(tracking.heads, trajectories[0]),
        controls=[
            ControlTrajectoryPart(seed=seed, heads=list(heads), steps=_steps(steps))
            for seed, heads, steps in zip(seeds, tracking.controls, trajectories[1:], strict=True)
        ],
        sentences=[_sentence(tracking, start, end) for start, end in tracking.sentences()],
        pointing=_pointing(tracking.pointing(0, tracking.tokens)),
        spans=[_span(tracking, span) for span in spans],
        trajectory_file=files.trajectory,
        heatmap=files.heatmap,
        page=files.page,
        timing=TimingPart(seconds=tracking.seconds),
    )


def _sentence(tracking: Tracking, start: int, end: int) -> SentencePart:
    places = tracking.pointing(start, end)
    most = max(places, key=lambda place: place.gaze, default=None)
    return SentencePart(
        start=start,
        end=end,
        text="".join(tracking.pieces[start:end]).strip(),
        region=most.region.number if most else None,
        gaze=_rounded(most.gaze) if most else None,
        control=_rounded(most.control) if most and most.control is not None else None,
    )


def _span(tracking: Tracking, span: Span) -> SpanPart:
    return SpanPart(
        span=span.wanted,
        start=span.start,
        end=span.end,
        text=span.text,
        occurrences=span.occurrences,
        peak=tracking.peak(span.start, span.end),
        pointing=_pointing(tracking.pointing(span.start, span.end)),
    )


def _pointing(places: Sequence[Pointing]) -> list[PointingPart]:
    return [
        PointingPart(
            region=place.region.number,
            area=_rounded(place.area),
            gaze=_rounded(place.gaze),
            gaze_ratio=_rounded(place.gaze / place.area),
            control=None if place.control is None else _rounded(place.control),
            control_ratio=None if place.control is None else _rounded(place.control / place.area),
        )
        for place in places
    ]


def _trajectory(heads: Sequence[HeadPair], steps: Floats) -> TrajectoryPart:
    return TrajectoryPart(heads=len(heads), value_weighted=True, steps=_steps(steps))


def _steps(trajectory: Floats) -> list[list[float]]:
    return [[_rounded(share) for share in step] for step in trajectory]


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
