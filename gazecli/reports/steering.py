"""Steered answers, switched narrations and tracked texts become documents.

Beside what was computed, each document takes where the heads came from (the digest of the `headset`, the
`score` that ranked them) and, as further keywords, the files that were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.models.attention.modes import parse_strength
from gazecli.reports.documents.parts import ModelPart, SteeringSettings, TimingPart
from gazecli.reports.documents.results import (
    AnswerPart,
    AttentionPart,
    ControlTrajectoryPart,
    GeneratedPart,
    PicturePart,
    PointingPart,
    RegionPart,
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
from gazecli.steering.settings import SteerSettings

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM, ModelFacts
    from gazecli.steering.steer import Answer, Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Floats, Pointing, Span, Tracking


def steer_document(
    vlm: VLM | ModelFacts, steering: Steering, headset: str, score: str, **more: Any
) -> SteerDocument:
    """What `steer` prints; `more`: heatmap and page, or of many pictures id and job."""
    settings, baseline = steering.settings, None
    if steering.baseline is not None:
        baseline = GeneratedPart(text=steering.baseline.strip(), tokens=steering.baseline_tokens)
    return SteerDocument(
        settings=_settings(settings, steering, score),
        baseline=baseline,
        answers=[_answer(answer) for answer in steering.answers],
        **_shared(vlm, steering, headset, settings.prompt, more),
    )


def switch_document(
    vlm: VLM | ModelFacts, narration: Narration, headset: str, score: str, **files: Path | None
) -> SwitchDocument:
    """What `switch` prints; `files`: trajectory_file, page."""
    settings, segments = narration.settings, narration.segments
    return SwitchDocument(
        settings=_settings(settings, narration, score),
        schedule=[TurnPart(token=s.start, region=s.region.number) for s in segments],
        text=narration.text.strip(),
        tokens=narration.tokens,
        segments=[
            SegmentPart(region=s.region.number, start=s.start, end=s.end, text=s.text) for s in segments
        ],
        trajectory=_trajectory(len(narration.heads), narration.trajectory),
        **_shared(vlm, narration, headset, settings.prompt, files),
    )


def track_document(
    vlm: VLM | ModelFacts,
    tracking: Tracking,
    headset: str,
    score: str,
    seeds: Sequence[int],
    spans: Sequence[Span] = (),
    **files: Path | None,
) -> TrackDocument:
    """What `track` prints; `seeds` drew the controls. `files`: trajectory_file, heatmap, page."""
    count, trajectories = len(tracking.heads), tracking.trajectories()
    return TrackDocument(
        settings=TrackSettings(
            top=count,
            score=score,
            max_new_tokens=tracking.max_new_tokens,
            image_tokens=tracking.layout.bound,
        ),
        text=tracking.text.strip(),
        tokens=tracking.tokens,
        pieces=tracking.pieces,
        trajectory=_trajectory(count, trajectories[0]),
        controls=[
            ControlTrajectoryPart(seed=seed, heads=heads, steps=steps.tolist())
            for seed, heads, steps in zip(seeds, tracking.controls, trajectories[1:], strict=True)
        ],
        sentences=[_sentence(tracking, start, end) for start, end in tracking.sentences()],
        pointing=_pointing(tracking.pointing(0, tracking.tokens)),
        spans=[_span(tracking, span) for span in spans],
        **_shared(vlm, tracking, headset, tracking.prompt, files),
    )


def _settings(settings: SteerSettings, result: Steering | Narration, score: str) -> SteeringSettings:
    how = steering_settings(settings, len(result.heads), score)
    return SteeringSettings(**how, image_tokens=result.layout.bound)


def steering_settings(settings: SteerSettings, top: int, score: str) -> dict[str, Any]:
    """How it was steered, with the best `top` heads by `score`."""
    return {
        "strength": parse_strength(settings.strength, settings.mode),
        "mode": settings.mode,
        "scope": settings.scope,
        "top": top,
        "score": score,
        "max_new_tokens": settings.max_new_tokens,
    }


def _shared(
    vlm: VLM | ModelFacts,
    result: Steering | Narration | Tracking,
    headset: str,
    prompt: str,
    more: dict[str, Any],
) -> dict[str, Any]:
    """What all three documents say."""
    picture = PicturePart.model_validate(result.picture)
    return {
        "model": ModelPart.model_validate(vlm),
        "headset": headset,
        "heads": result.heads,
        "picture": picture.model_copy(
            update={"prepared": result.layout.prepared, "image_tokens": len(result.layout.positions)}
        ),
        "regions": [
            RegionPart(number=region.number, box=region.box, tokens=count, label=region.label)
            for region, count in zip(result.regions, result.region_tokens, strict=True)
        ],
        "prompt": prompt,
        "timing": TimingPart(seconds=result.seconds),
        "warnings": result.warnings,
        **more,
    }


def _answer(answer: Answer) -> AnswerPart:
    return AnswerPart(
        region=answer.region.number,
        text=answer.text,
        tokens=answer.tokens,
        attention_on_region=AttentionPart(
            baseline=answer.attention_baseline, steered=answer.attention_steered
        ),
        unchanged=answer.unchanged,
    )


def _sentence(tracking: Tracking, start: int, end: int) -> SentencePart:
    places = tracking.pointing(start, end)
    most = max(places, key=lambda place: place.gaze, default=None)
    return SentencePart(
        start=start,
        end=end,
        text="".join(tracking.pieces[start:end]).strip(),
        region=most.region.number if most else None,
        gaze=most.gaze if most else None,
        control=most.control if most else None,
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
            area=place.area,
            gaze=place.gaze,
            gaze_ratio=place.gaze / place.area,
            control=place.control,
            control_ratio=None if place.control is None else place.control / place.area,
        )
        for place in places
    ]


def _trajectory(heads: int, steps: Floats) -> TrajectoryPart:
    return TrajectoryPart(heads=heads, value_weighted=True, steps=steps.tolist())
