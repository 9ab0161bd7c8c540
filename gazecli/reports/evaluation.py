"""An evaluation becomes a block of the report."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from gazecli.errors import BadInput
from gazecli.evaluation.evaluate import Execution, Selector
from gazecli.evaluation.examples import Example, Examples, chance_of, shared_with_discovery, turned_counts
from gazecli.evaluation.judges.endpoint import EndpointJudge
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.judges.likelihood import LikelihoodJudge
from gazecli.evaluation.metrics import (
    RESAMPLES,
    ConditionMetrics,
    Delay,
    GroupMetrics,
    differences,
    group_metrics,
    p_value,
)
from gazecli.evaluation.trials import Run
from gazecli.heads.headset import overlaps
from gazecli.models.token_maps.shared_tokens import SHARE
from gazecli.reports.documents.evaluation import (
    ComparisonPart,
    ConditionPart,
    DelayPart,
    DifferencePart,
    EvaluationPart,
    EvaluationSettings,
    ExampleAnswerPart,
    ExamplePart,
    GroupPart,
    JudgingPart,
    LatencyPart,
    SelectorPart,
)
from gazecli.reports.steering import steering_settings

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM

_SHOWN_EXAMPLES = 6


def evaluation_part(vlm: VLM, evaluation: Execution, swept: str, judge: Judge | None) -> EvaluationPart:
    """The block of the report; `swept` is the digest of the head set asked for."""
    choice, runs, usable = evaluation.choice, evaluation.runs, evaluation.examples.usable
    by_score, digests = evaluation.score_choice, {"headset": evaluation.headset.digest, "swept": swept}
    shared = shared_with_discovery(evaluation.examples, runs[0].numbers, evaluation.headset)
    part = EvaluationPart.model_validate(
        {
            "comics": _comics(evaluation.examples),
            "task": evaluation.plan.task,
            "judge": "none",
            "chance": chance_of([usable[number] for number in runs[0].numbers]),
            "strips": evaluation.strips,
            "settings": _settings(vlm, evaluation),
            "conditions": [],
            "sweep": evaluation.sweep,
            "choice": {**vars(choice), **digests} if choice else None,
            "score_choice": {**vars(by_score), **digests} if by_score else None,
            "on_discovery_strips": shared > 0,
            "discovery_strips": shared,
            "warnings": _warnings(runs[0]),
            "examples": _examples(runs, usable),
            "timing": {"seconds": evaluation.seconds},
        }
    )
    return _judged(part, judge, runs, evaluation.metrics, usable) if judge is not None else part


def rejudged_part(
    part: EvaluationPart,
    judge: Judge,
    runs: Sequence[Run],
    metrics: Sequence[ConditionMetrics],
    examples: Sequence[Example],
) -> EvaluationPart:
    """The block of texts that were judged later."""
    fresh = {"timing": None, "generations": None, "digest": None, "examples": _examples(runs, examples)}
    return _judged(part.model_copy(update=fresh), judge, runs, metrics, examples)


def comparison_part(evaluation: Execution) -> ComparisonPart:
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
    examples: Sequence[Example],
) -> EvaluationPart:
    return part.model_copy(
        update={
            "judge": judge.name,
            "judging": _judging(judge),
            "conditions": [_condition(each) for each in metrics],
            "p_value": p_value(metrics),
            "differences": [DifferencePart(**vars(each)) for each in differences(runs, part.settings.seed)],
            "advice": _advice(part, metrics[0]),
            "groups": [_group(group) for group in group_metrics(examples, runs)],
        }
    )


def _warnings(gaze: Run) -> list[str]:
    """That regions of some pictures cannot be told apart, whatever the heads are: they share all tokens."""
    sharing = sum(any(trial.response.shares_tokens for trial in trials) for trials in gaze.pictures)
    if not sharing:
        return []
    return [
        f"in {sharing} of {len(gaze.pictures)} pictures regions {SHARE}: steering cannot tell them apart, "
        "and their answers say nothing about the heads; use larger pictures, or a larger --image-tokens "
        "where there is a bound"
    ]


_NEARLY_ALL = 0.5


def _advice(part: EvaluationPart, gaze: ConditionMetrics) -> list[str]:
    """What to try where most answers under the gaze heads came to nothing."""
    task, advice = part.task, []
    if gaze.junk > _NEARLY_ALL * gaze.n:
        gentler = "a shorter --every, " if task == "dynamic" else ""
        advice.append(
            f"{gaze.junk} of {gaze.n} answers under the gaze heads are junk: steering this "
            f"hard, or so many heads, breaks the text; try {gentler}a lower --strength, a smaller --top, or "
            "--sweep strength"
        )
    if gaze.abstained > _NEARLY_ALL * gaze.n:
        advice.append(
            f"the judge abstained on {gaze.abstained} of {gaze.n} answers: they fit no region's caption; try "
            "another --judge, captions that say more, or a --prompt that asks for what they say"
        )
    if gaze.unchanged > _NEARLY_ALL * gaze.n:
        advice.append(
            f"{gaze.unchanged} of {gaze.n} answers are those of the unsteered model: steering did too "
            "little; try --scope full, a higher --strength, more heads (--top), or --sweep heads"
        )
    return advice


def _judging(judge: Judge) -> JudgingPart:
    how: dict[str, Any] = {}
    if isinstance(judge, EndpointJudge):
        how = {
            "model": judge.address.model,
            "endpoint": judge.address.shown,
            "prompt": judge.prompt,
            "requests": judge.requests,
            "kept": judge.kept,
        }
    elif isinstance(judge, LikelihoodJudge):
        how = {"model": judge.vlm.name, "prompt": judge.prompt}
    return JudgingPart(name=judge.name, independent=judge.independent, **how)


def _settings(vlm: VLM, evaluation: Execution) -> EvaluationSettings:
    plan = evaluation.plan
    return EvaluationSettings(
        **steering_settings(plan.settings, plan.top, plan.score),
        image_tokens=vlm.image_tokens,
        prompt=plan.settings.prompt,
        question=plan.question,
        seed=plan.seed,
        resamples=RESAMPLES,
        every=plan.every,
        min_area=plan.min_area,
        controls=plan.controls,
        low_controls=plan.low_controls,
        protocol=plan.protocol,
        device=vlm.device.type,
        dtype=vlm.dtype,
        squash=vlm.squash,
    )


def _comics(examples: Examples) -> dict[str, Any]:
    return {
        "path": examples.comics.path,
        "digest": examples.comics.digest,
        "strips": len(examples.usable),
        "panels": examples.comics.panels,
        "skipped": examples.skipped,
        "turned": turned_counts(examples.usable),
    }


def _condition(metrics: ConditionMetrics) -> ConditionPart:
    condition, narration = metrics.condition, metrics.narration
    block = {**vars(condition), **vars(metrics), "k": len(condition.heads)}
    del block["condition"], block["narration"]
    if condition.name == "all":
        block["heads"] = None
    if narration:
        block |= {name: getattr(narration, name) for name in ("natural", "schedule_rho", "natural_rho")}
        if narration.attention_delay:
            text, attention = _delay(narration.text_delay), _delay(narration.attention_delay)
            block["latency"] = LatencyPart(text=text, looks=attention)
    return ConditionPart.model_validate(block)


def _delay(delay: Delay | None) -> DelayPart | None:
    if delay is None:
        return None
    tokens = delay.tokens
    return DelayPart(
        mean=mean(tokens) if tokens else None,
        median=median(tokens) if tokens else None,
        reached=len(tokens),
        switches=delay.switches,
    )


def _group(group: GroupMetrics) -> GroupPart:
    shares = {name: group.accuracies.get(name) for name in ("gaze", "control", "all", "unsteered")}
    return GroupPart.model_validate({"by": group.by, "name": group.name, "n": group.n, **shares})


def _examples(runs: Sequence[Run], examples: Sequence[Example]) -> list[ExamplePart]:
    """The first pictures, with the answers under the gaze heads; none whose pixels are not at hand."""
    gaze = runs[0]
    shown = []
    for number, trials in zip(gaze.numbers[:_SHOWN_EXAMPLES], gaze.pictures, strict=False):
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
    found = {name: getattr(selector.metrics, name, None) for name in ("accuracy", "ci95", "n")}
    return SelectorPart.model_validate({"score": selector.score, "heads": selector.heads, **found})
