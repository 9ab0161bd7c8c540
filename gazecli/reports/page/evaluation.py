"""What a page says of an evaluation: conditions, orders, kinds of targets, selectors, verdicts on pictures.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gazecli.plain_text import whole
from gazecli.reports.documents.evaluation import (
    ComparisonPart,
    ConditionPart,
    DelayPart,
    EvaluationPart,
    SaidPart,
)
from gazecli.reports.page.assembly import Drawn, Section, Table
from gazecli.reports.page.scenes import Said, Scene

Pick = Callable[..., list[Drawn]]
_LABELS = {
    "all": "all heads",
    "asked": "asked by place",
    "blind": "asked, gaze heads blind",
    "blind_control": "asked, others blind",
}


def evaluation_section(evaluation: EvaluationPart, pick: Pick) -> Section:
    """Accuracy by condition; by kind of target, and in which order, where that is known."""
    settings, choice = evaluation.settings, evaluation.choice
    facts: dict[str, object] = {
        "pictures": f"{evaluation.strips} of {evaluation.comics.strips}, chance {evaluation.chance:.3f}",
        "judge": _judge(evaluation),
        "steering": f"strength {settings.strength:g}, {settings.mode}, scope {settings.scope}, "
        f"top {settings.top} by {settings.score}",
        "asked": settings.prompt,
        "ran on": f"{settings.device}, {settings.dtype}, seed {settings.seed}",
    }
    if choice is not None:
        facts["chosen"] = (
            f"{choice.k} heads, accuracy {_share(choice.accuracy)} on the {choice.strips} pictures that "
            "chose; all else is measured on the others"
        )
    tables = []
    if evaluation.conditions:
        tables.append(_conditions(evaluation))
    if evaluation.conditions and evaluation.task == "dynamic":
        tables.append(_order(evaluation))
    if evaluation.groups:
        tables.append(_groups(evaluation))
    if evaluation.examples:
        tables.append(_examples(evaluation))
    figures = pick("redirection", "regions", "sweep")
    return Section("evaluation", f"Evaluation: {evaluation.task}", facts, figures, tables)


def selectors_section(comparison: ComparisonPart, pick: Pick) -> Section:
    """Selectors side by side, and how many of their best heads they share."""
    rows = [
        [
            each.score,
            _share(each.accuracy),
            f"{_share(each.ci95[0])} to {_share(each.ci95[1])}" if each.ci95 else "–",
            *shared,
        ]
        for each, shared in zip(comparison.selectors, comparison.overlap, strict=True)
    ]
    shared_with = [f"in common with {each.score}" for each in comparison.selectors]
    table = Table(
        f"Selectors, top {comparison.k}", ["selector", "accuracy", "95 % interval", *shared_with], rows
    )
    return Section("selectors", "Selectors side by side", figures=pick("selectors"), tables=[table])


def judged_scenes(evaluation: EvaluationPart | None, scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes, with what the judge made of each text that was judged."""
    if evaluation is None or not evaluation.conditions:
        return list(scenes)
    known = {
        (part.name, answer.region, " ".join(answer.text.split())): answer
        for part in evaluation.examples
        for answer in part.answers
    }

    def judged(name: str, said: Said) -> Said:
        words = whole(" ".join("".join(said.pieces).split()))
        answer = known.get((whole(name), said.target or 0, words))
        return replace(said, notes=[*said.notes, f"judged: {_verdict(answer)}"]) if answer else said

    return [replace(scene, steered=[judged(scene.name, said) for said in scene.steered]) for scene in scenes]


def condition_label(condition: ConditionPart) -> str:
    """`gaze, top 5`, `control 2`, `all heads`, `unsteered`."""
    if condition.name == "gaze":
        return f"gaze, top {condition.k}"
    said = _LABELS.get(condition.name, condition.name)
    return said if condition.seed is None else f"{said} {condition.seed}"


def _conditions(evaluation: EvaluationPart) -> Table:
    rows = [
        [
            condition_label(condition),
            condition.k,
            _share(condition.accuracy),
            f"{_share(condition.ci95[0])} to {_share(condition.ci95[1])}",
            *(_share(share) for share in condition.per_region),
            condition.abstained,
            condition.junk,
            condition.unchanged,
            condition.n,
        ]
        for condition in evaluation.conditions
    ]
    regions = max(len(condition.per_region) for condition in evaluation.conditions)
    panels = [f"panel {number}" for number in range(1, regions + 1)]
    columns = ["condition", "K", "accuracy", "95 % interval", *panels, "abstained", "junk", "unchanged", "n"]
    return Table("Accuracy by condition", columns, rows)


def _order(evaluation: EvaluationPart) -> Table:
    rows = [
        [
            condition_label(each),
            *map(_share, (each.natural, each.schedule_rho, each.natural_rho)),
            _delay(each.latency.text if each.latency else None),
            _delay(each.latency.looks if each.latency else None),
        ]
        for each in evaluation.conditions
    ]
    columns = ["condition", "in reading order", "ρ with the schedule", "ρ with reading order"]
    columns += ["tokens until the text follows", "tokens until the look follows"]
    return Table("Agreement with schedule and reading order", columns, rows)


def _delay(delay: DelayPart | None) -> str:
    if delay is None:
        return "–"
    middle = "–" if delay.median is None else f"{delay.median:g}"
    return f"{middle} ({delay.reached} of {delay.switches})"


def _groups(evaluation: EvaluationPart) -> Table:
    rows = [
        [f"{each.by}: {each.name}", *map(_share, (each.gaze, each.control, each.all, each.unsteered)), each.n]
        for each in evaluation.groups
    ]
    columns = ["targets", "gaze heads", "controls", "all heads", "unsteered", "n"]
    return Table("Accuracy by kind of target", columns, rows)


def _examples(evaluation: EvaluationPart) -> Table:
    rows = [
        [part.name, said.region, _verdict(said), said.text]
        for part in evaluation.examples
        for said in part.answers
    ]
    return Table("Some answers", ["picture", "pointed at", "judged", "answer"], rows, folded=True)


def _verdict(said: SaidPart) -> str:
    if said.described is None:
        return said.fate
    return f"{'right' if said.described == said.region else 'wrong'}, region {said.described}"


def _judge(evaluation: EvaluationPart) -> str:
    judging = evaluation.judging
    if judging is None:
        return evaluation.judge
    of_which = f", {judging.model}" if judging.model else ""
    return f"{judging.name}{of_which}{'' if judging.independent else ', not independent: the model itself'}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
