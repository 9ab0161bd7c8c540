"""An evaluation becomes a block of the report."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from gazecli.errors import BadInput
from gazecli.evaluation.evaluate import Evaluation, Selector
from gazecli.evaluation.examples import Example, chance_of
from gazecli.evaluation.judges.endpoint import PROMPT, EndpointJudge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.judges.likelihood import LikelihoodJudge
from gazecli.evaluation.metrics import RESAMPLES, ConditionMetrics, Delay, GroupMetrics, group_metrics
from gazecli.evaluation.sweep import SweepPoint
from gazecli.evaluation.trials import Run
from gazecli.heads.headset import overlaps
from gazecli.models.attention.bias import parse_strength
from gazecli.models.vlm import VLM
from gazecli.reports.documents.evaluation import (
    ChoicePart,
    ComparisonPart,
    ConditionPart,
    DelayPart,
    EvaluationPart,
    EvaluationSettings,
    ExampleAnswerPart,
    ExamplePart,
    GroupPart,
    JudgingPart,
    LatencyPart,
    SelectorPart,
    SweepPart,
)
from gazecli.reports.documents.parts import ComicsPart, SkippedPart, TimingPart

DIGITS = 6
SHOWN_EXAMPLES = 6


def evaluation_part(vlm: VLM, evaluation: Evaluation, swept: str, judge: Judge | None) -> EvaluationPart:
    """The block of the report; `swept` is the digest of the head set asked for."""
    choice = evaluation.choice
    usable = evaluation.examples.usable
    written = [usable[number] for number in evaluation.runs[0].numbers]
    part = EvaluationPart(
        comics=_comics(evaluation),
        task=evaluation.plan.task,
        judge="none",
        chance=_rounded(chance_of(written)),
        strips=evaluation.strips,
        settings=_settings(vlm, evaluation),
        conditions=[],
        sweep=[_sweep_point(point) for point in evaluation.sweep],
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
    examples = _examples(evaluation.runs, usable)
    if judge is None:
        return part.model_copy(update={"examples": examples})
    return _judged(part, judge, evaluation.runs, evaluation.metrics, usable, examples)


def rejudged_part(
    part: EvaluationPart,
    judge: Judge,
    runs: Sequence[Run],
    metrics: Sequence[ConditionMetrics],
    examples: Sequence[Example],
) -> EvaluationPart:
    """The block of texts that were judged later."""
    fresh = part.model_copy(update={"timing": None, "generations": None, "digest": None})
    return _judged(fresh, judge, runs, metrics, examples, _examples(runs, examples))


def comparison_part(evaluation: Evaluation) -> ComparisonPart:
    """Selectors side by side, with what steering each gave."""
    return ComparisonPart(
        k=len(evaluation.runs[0].condition.heads),
        selectors=[_selector(each) for each in evaluation.selectors],
        overlap=overlaps([each.heads for each in evaluation.selectors]),
    )


def _judged(
    part: EvaluationPart,
    judge: Judge,
    runs: Sequence[Run],
    metrics: Sequence[ConditionMetrics],
    known: Sequence[Example],
    examples: list[ExamplePart],
) -> EvaluationPart:
    return part.model_copy(
        update={
            "judge": judge.name,
            "judging": _judging(judge),
            "conditions": [_condition(each) for each in metrics],
            "groups": [_group(group) for group in group_metrics(known, runs)],
            "examples": examples,
        }
    )


def _judging(judge: Judge) -> JudgingPart:
    how: dict[str, object] = {}
    if isinstance(judge, EndpointJudge):
        how = {
            "model": judge.address.model,
            "endpoint": judge.address.shown,
            "prompt": PROMPT,
            "requests": judge.requests,
            "kept": judge.kept,
        }
    elif isinstance(judge, LikelihoodJudge):
        how = {"model": judge.vlm.name, "prompt": judge.prompt}
    return JudgingPart.model_validate({"name": judge.name, "independent": judge.independent, **how})


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
        question=plan.question,
        seed=plan.seed,
        resamples=RESAMPLES,
        every=plan.every,
        min_area=plan.min_area,
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


def _condition(metrics: ConditionMetrics) -> ConditionPart:
    condition, narration = metrics.condition, metrics.narration
    return ConditionPart(
        name=condition.name,
        k=len(condition.heads),
        heads=None if condition.name == "all" else list(condition.heads),
        seed=condition.seed,
        accuracy=_rounded(metrics.accuracy),
        ci95=(_rounded(metrics.ci95[0]), _rounded(metrics.ci95[1])),
        per_region=[_perhaps(share) for share in metrics.per_region],
        abstained=metrics.abstained,
        junk=metrics.junk,
        unchanged=metrics.unchanged,
        n=metrics.n,
        natural=_perhaps(narration.natural) if narration else None,
        schedule_rho=_perhaps(narration.schedule_rho) if narration else None,
        natural_rho=_perhaps(narration.natural_rho) if narration else None,
        latency=LatencyPart(text=_delay(narration.text_delay), looks=_delay(narration.attention_delay))
        if narration and narration.attention_delay
        else None,
    )


def _delay(delay: Delay | None) -> DelayPart | None:
    if delay is None:
        return None
    tokens = delay.tokens
    return DelayPart(
        mean=_rounded(mean(tokens)) if tokens else None,
        median=_rounded(median(tokens)) if tokens else None,
        reached=len(tokens),
        switches=delay.switches,
    )


def _group(group: GroupMetrics) -> GroupPart:
    return GroupPart.model_validate(
        {
            "by": group.by,
            "name": group.name,
            "n": group.n,
            "gaze": _rounded(group.accuracies["gaze"]),
            **{name: _perhaps(group.accuracies.get(name)) for name in ("control", "all", "unsteered")},
        }
    )


def _examples(runs: Sequence[Run], examples: Sequence[Example]) -> list[ExamplePart]:
    """The first pictures, with the answers under the gaze heads; none whose pixels are not at hand."""
    gaze = runs[0]
    shown = []
    for number, trials in zip(gaze.numbers[:SHOWN_EXAMPLES], gaze.pictures, strict=False):
        example = examples[number]
        if example.strip is None:
            continue
        try:
            picture = example.load()
        except BadInput:
            continue
        shown.append(
            ExamplePart(
                path=picture.path,
                name=example.name,
                boxes=[region.box for region in picture.regions],
                truths=list(example.truths or ()),
                unsteered=trials[0].response.unsteered if trials else None,
                answers=[
                    ExampleAnswerPart(region=t.target, text=t.text, described=t.described, fate=t.outcome)
                    for t in trials
                ],
            )
        )
    return shown


def _selector(selector: Selector) -> SelectorPart:
    metrics = selector.metrics
    return SelectorPart.model_validate(
        {
            "score": selector.score,
            "heads": list(selector.heads),
            "accuracy": _rounded(metrics.accuracy) if metrics else None,
            "ci95": _interval(metrics.ci95) if metrics else None,
            "n": metrics.n if metrics else None,
        }
    )


def _sweep_point(point: SweepPoint) -> SweepPart:
    return SweepPart(
        k=point.k,
        gaze=_rounded(point.gaze),
        control=_perhaps(point.control),
        gaze_ci95=_interval(point.gaze_ci95),
        control_ci95=_interval(point.control_ci95),
    )


def _interval(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return (_rounded(ends[0]), _rounded(ends[1])) if ends is not None else None


def _perhaps(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
