"""Steered answers and switched narrations become documents.

Knows nothing of how they were written or of where documents go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.models.attention.bias import parse_strength
from gazecli.models.vlm import VLM, HeadPair
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.reports.documents import (
    SegmentPart,
    SteerDocument,
    SwitchDocument,
    TurnPart,
)
from gazecli.reports.parts import (
    AnswerPart,
    AttentionPart,
    ModelPart,
    PicturePart,
    RegionPart,
    SpokenPart,
    SteeringSettings,
    TimingPart,
)
from gazecli.reports.track_parts import TrajectoryPart
from gazecli.steering.steer import Answer, Steering, SteerSettings
from gazecli.steering.switch import Narration


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
    spoken = (
        SpokenPart(text=steering.baseline.strip(), tokens=steering.baseline_tokens)
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
        baseline=spoken,
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
    steps = [[round(float(mass), 5) for mass in step] for step in narration.trajectory]
    return SwitchDocument(
        model=model_part(vlm),
        headset=provenance.headset,
        heads=list(narration.heads),
        picture=picture_part(narration.picture, narration.prepared),
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
        trajectory=TrajectoryPart(heads=len(narration.heads), value_weighted=True, steps=steps),
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
    """The regions with the number of image tokens that look at each."""
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
