"""A whole report with an evaluation and a sweep, and a scene, whose foreign texts are what a test puts in."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gazecli.pictures.picture import Picture
from gazecli.reports.documents.evaluation import (
    ChoicePart,
    ComparisonPart,
    ConditionPart,
    EvaluationPart,
    EvaluationSettings,
    ExampleAnswerPart,
    ExamplePart,
    GroupPart,
    JudgingPart,
    SelectorPart,
    SweepPart,
)
from gazecli.reports.documents.parts import ComicsPart, ModelPart, SkippedPart
from gazecli.reports.documents.results import (
    DiscoverySettings,
    HeadPart,
    HistogramPart,
    HonestyPart,
    LayerPart,
    MatrixPart,
    ReportDocument,
    SuggestedPart,
)
from gazecli.reports.page.scenes import Scene, SceneText

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
        sweep=[
            SweepPart(k=1, gaze=0.5, control=0.25, gaze_ci95=(0.25, 0.75)),
            SweepPart(k=2, gaze=0.75, control=None),
        ],
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
        histogram=HistogramPart(edges=[0.0, 0.5, 1.0], heads=[1, 3], null=[3.5, 0.5]),
        evaluation=evaluation,
        evaluations=[evaluation],
    )


def judged(foreign: str = "tiny", task: str = "static") -> ReportDocument:
    """The same with an example, a kind of target, and two selectors side by side."""
    document = report(foreign, task)
    assert document.evaluation is not None
    evaluation = document.evaluation.model_copy(
        update={
            "judging": JudgingPart(name="likelihood", independent=False, model=foreign),
            "groups": [
                GroupPart(by="size", name=foreign, n=2, gaze=0.5, control=None, all=None, unsteered=0.0)
            ],
            "examples": [
                ExamplePart(
                    path=foreign,
                    name=foreign,
                    boxes=[(0.0, 0.0, 30.0, 20.0), (30.0, 0.0, 60.0, 20.0)],
                    truths=[foreign, foreign],
                    unsteered=foreign,
                    answers=[ExampleAnswerPart(region=2, text=f"A{foreign}.", described=1, fate="judged")],
                )
            ],
        }
    )
    comparison = ComparisonPart(
        k=2,
        selectors=[
            SelectorPart(score="raw", heads=[(0, 0), (0, 1)], accuracy=0.75, ci95=(0.5, 1.0), n=8),
            SelectorPart(score="selectivity", heads=[(0, 0), (1, 1)], accuracy=0.5, ci95=(0.25, 0.75), n=8),
        ],
        overlap=[[2, 1], [1, 2]],
    )
    return document.model_copy(
        update={"evaluation": evaluation, "evaluations": [evaluation], "comparison": comparison}
    )


def scene(foreign: str = "tiny") -> Scene:
    """A picture of two halves with a text unsteered and one steered at its second half, three tokens each."""
    picture = Picture.from_image(Image.new("RGB", (60, 20), (200, 80, 40)), panels=2)
    boxes = np.array([[0.0, 0.0, 30.0, 20.0], [30.0, 0.0, 60.0, 20.0], [np.nan] * 4])
    table = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    attention = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 1.0, 0.0]])
    pieces = ["A", foreign, "."]
    steered = SceneText(foreign, pieces, attention[::-1], 2, [foreign], foreign)
    return Scene(
        foreign,
        picture,
        picture.regions,
        boxes,
        table,
        [SceneText("Unsteered", pieces, attention)],
        [steered],
    )
