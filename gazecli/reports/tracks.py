"""A tracking becomes a document.

Knows nothing of how heads were watched or of where documents go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.models.vlm import VLM
from gazecli.reports.answers import Provenance, model_part, picture_part, region_parts
from gazecli.reports.documents import TrackDocument
from gazecli.reports.parts import TimingPart
from gazecli.reports.track_parts import (
    ControlTrajectoryPart,
    PointingPart,
    SentencePart,
    SpanPart,
    TrackSettings,
    TrajectoryPart,
)
from gazecli.steering.spans import Span
from gazecli.steering.track import Floats, Pointing, Tracking

DIGITS = 5


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
        trajectory=TrajectoryPart(
            heads=len(tracking.heads), value_weighted=True, steps=_steps(trajectories[0])
        ),
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


def _steps(trajectory: Floats) -> list[list[float]]:
    return [[_rounded(share) for share in step] for step in trajectory]


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
