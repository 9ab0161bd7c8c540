"""An evaluation becomes a block of the report.

Knows nothing of how answers were written or judged.
"""

from __future__ import annotations

from gazecli.evaluation.evaluate import Evaluation
from gazecli.evaluation.judge import NAME
from gazecli.evaluation.statistics import RESAMPLES
from gazecli.evaluation.sweep import Rung
from gazecli.evaluation.trials import Tally
from gazecli.models.biases import parse_strength
from gazecli.models.vlm import VLM
from gazecli.reports.evaluation_parts import (
    ChoicePart,
    ConditionPart,
    EvaluationPart,
    EvaluationSettings,
    SweepPart,
)
from gazecli.reports.parts import ComicsPart, SkippedPart, TimingPart

DIGITS = 6


def evaluation_part(vlm: VLM, evaluation: Evaluation, swept: str) -> EvaluationPart:
    """What `report --evaluate` adds to the report; `swept` is the digest of the head set asked for."""
    choice = evaluation.choice
    return EvaluationPart(
        comics=_comics(evaluation),
        task=evaluation.plan.task,
        judge=NAME,
        chance=_rounded(evaluation.chance),
        strips=evaluation.strips,
        settings=_settings(vlm, evaluation),
        conditions=[_condition(tally) for tally in evaluation.tallies],
        sweep=[_rung(rung) for rung in evaluation.rungs],
        choice=ChoicePart(
            k=choice.k,
            accuracy=_rounded(choice.accuracy),
            strips=choice.strips,
            headset=evaluation.headset.digest,
            swept=swept,
        )
        if choice
        else None,
        timing=TimingPart(seconds=evaluation.seconds),
    )


def _settings(vlm: VLM, evaluation: Evaluation) -> EvaluationSettings:
    plan = evaluation.plan
    return EvaluationSettings(
        strength=parse_strength(plan.settings.strength),
        mode=plan.settings.mode,
        scope=plan.settings.scope,
        top=evaluation.choice.k if evaluation.choice else plan.top,
        score=plan.score,
        max_new_tokens=plan.settings.max_new_tokens,
        prompt=plan.settings.prompt,
        seed=plan.seed,
        resamples=RESAMPLES,
        every=plan.every,
        device=vlm.device.type,
        dtype=vlm.dtype,
    )


def _comics(evaluation: Evaluation) -> ComicsPart:
    comics, examples = evaluation.examples.comics, evaluation.examples
    return ComicsPart(
        path=str(comics.path),
        digest=comics.digest,
        strips=len(examples.usable),
        panels=comics.panels,
        skipped=[SkippedPart(path=skip.path, reason=skip.reason) for skip in examples.skipped],
    )


def _condition(tally: Tally) -> ConditionPart:
    return ConditionPart(
        name=tally.name,
        k=len(tally.heads),
        heads=None if tally.name == "all" else list(tally.heads),
        seed=tally.seed,
        accuracy=_rounded(tally.accuracy),
        ci95=(_rounded(tally.ci95[0]), _rounded(tally.ci95[1])),
        per_region=[_perhaps(share) for share in tally.per_region],
        abstained=tally.abstained,
        junk=tally.junk,
        unchanged=tally.unchanged,
        n=tally.n,
        natural=_perhaps(tally.natural),
        schedule_rho=_perhaps(tally.schedule_rho),
        natural_rho=_perhaps(tally.natural_rho),
    )


def _rung(rung: Rung) -> SweepPart:
    return SweepPart(k=rung.k, gaze=_rounded(rung.gaze), control=_perhaps(rung.control))


def _perhaps(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
