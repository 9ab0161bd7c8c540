"""A whole report with an evaluation and a sweep, whose foreign texts are what a test puts in."""

from __future__ import annotations

from gazecli.reports.documents import DiscoverySettings, HonestyPart, LayerPart, MatrixPart, ReportDocument
from gazecli.reports.evaluation_parts import (
    ChoicePart,
    ConditionPart,
    EvaluationPart,
    EvaluationSettings,
    SweepPart,
)
from gazecli.reports.parts import ComicsPart, HeadPart, ModelPart, SkippedPart, SuggestedPart

DIGEST = "sha256:" + "0123456789abcdef" * 4


def condition(name: str, accuracy: float, seed: int | None = None) -> ConditionPart:
    return ConditionPart(
        name=name,  # type: ignore[arg-type]
        k=2,
        seed=seed,
        accuracy=accuracy,
        ci95=(accuracy / 2, (1 + accuracy) / 2),
        per_region=[accuracy, None],
        abstained=1,
        junk=2,
        unchanged=3,
        n=8,
        natural=0.25,
        schedule_rho=-0.5,
        natural_rho=None,
    )


def report(foreign: str = "tiny", task: str = "static") -> ReportDocument:
    comics = ComicsPart(
        path=foreign, digest=DIGEST, strips=4, panels=2, skipped=[SkippedPart(path=foreign, reason=foreign)]
    )
    heads = [
        HeadPart(layer=layer, head=head, raw=0.9 - 0.3 * layer - 0.1 * head, selectivity=0.5, image_mass=0.25)
        for layer in (0, 1)
        for head in (0, 1)
    ]
    settings = EvaluationSettings(
        strength=10.0,
        mode="boost-suppress",
        scope="full",
        top=2,
        score="raw",
        max_new_tokens=64,
        prompt=foreign,
        seed=42,
        resamples=10_000,
        device="cpu",
        dtype="float32",
    )
    evaluation = EvaluationPart(
        comics=comics,
        task=task,  # type: ignore[arg-type]
        judge="lexical",
        chance=0.5,
        strips=2,
        settings=settings,
        conditions=[condition("gaze", 0.75), condition("control", 0.5, 0), condition("unsteered", 0.0)],
        sweep=[SweepPart(k=1, gaze=0.5, control=0.25), SweepPart(k=2, gaze=0.75, control=None)],
        choice=ChoicePart(k=2, accuracy=0.75, strips=2, headset=DIGEST, swept=DIGEST),
    )
    model = ModelPart(
        name=foreign, id=foreign, digest=DIGEST, family=foreign, layers=2, heads=2, dtype="float32"
    )
    return ReportDocument(
        headset=DIGEST,
        path=foreign,
        model=model,
        comics=comics,
        settings=DiscoverySettings(samples=4, seed=42, prompt=foreign),
        suggested=SuggestedPart(score="raw", top=2, why=foreign),
        honesty=HonestyPart(
            null_95=0.2, null_mean=0.1, shuffles=100, split_half_r=None, split_half_overlap=2
        ),
        heads=heads,
        layers=[LayerPart(layer=layer, heads_in_top=1, best=0.9, mean=0.5) for layer in (0, 1)],
        matrices=[MatrixPart(layer=0, head=0, matrix=[[0.8, 0.1], [0.2, 0.7]])],
        evaluation=evaluation,
    )
