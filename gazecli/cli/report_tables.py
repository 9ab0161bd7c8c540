"""How a report looks to people.

Knows nothing of how it came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gazecli.cli.tables import bar, print_facts, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.evaluation import (
        ComparisonPart,
        ConditionPart,
        DelayPart,
        EvaluationPart,
        LatencyPart,
    )
    from gazecli.reports.documents.results import ReportDocument


def show_report(console: Console, document: ReportDocument, top: int) -> None:
    """Print the report with its `top` best heads; an evaluation comes last, where the eye ends up."""
    model, suggested, honesty = document.model, document.suggested, document.honesty
    imported = document.imported
    print_facts(
        console,
        {
            "head set": document.headset,
            "model": f"{model.name}, {model.family}, {model.dtype}",
            "comics": f"{document.comics.strips} strips of {document.comics.panels} panels"
            if imported is None
            else None,
            "imported": f"a ranking of {imported.heads} heads; it lacks {', '.join(imported.lacks)}"
            if imported
            else None,
            "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
            "shuffled labels": f"95 % of draws stay below {honesty.null_95:.3f}" if honesty else None,
            "split halves": _halves(document),
        },
    )
    console.print()
    rows: list[list[object]] = [
        [h.layer, h.head, *map(_share, (h.raw, h.selectivity, h.image_mass)), bar(h.raw)]
        for h in document.heads[:top]
    ]
    print_table(console, ">layer >head >raw >selectivity >image_mass raw_score", rows)
    console.print()
    layers: list[list[object]] = [
        [row.layer, row.heads_in_top, f"{row.best:.3f}", f"{row.mean:.3f}", bar(row.best)]
        for row in document.layers
    ]
    print_table(console, ">layer >heads_in_top >best >mean best_score", layers)
    if document.comparison is not None:
        console.print()
        _show_comparison(console, document.comparison)
    if document.evaluation is not None:
        console.print()
        _show_evaluation(console, document.evaluation)


def _show_evaluation(console: Console, evaluation: EvaluationPart) -> None:
    settings, choice = evaluation.settings, evaluation.choice
    print_facts(
        console,
        {
            "task": f"{evaluation.task}: {settings.prompt}",
            "strips": f"{evaluation.strips} of {evaluation.comics.strips}, chance {evaluation.chance:.3f}",
            "judge": _judge(evaluation),
            "texts": f"{evaluation.generations.texts} in {evaluation.generations.path}"
            if evaluation.generations
            else None,
            "chosen": f"{choice.k} heads, accuracy {choice.accuracy:.3f} on the {choice.strips} strips that "
            "chose; below are the others"
            if choice
            else None,
        },
    )
    console.print()
    if evaluation.conditions:
        rows: list[list[object]] = [_condition(condition) for condition in evaluation.conditions]
        columns = "condition >heads >accuracy interval >abstained >junk >unchanged >n accuracy_"
        print_table(console, columns, rows)
    if evaluation.task == "dynamic" and evaluation.conditions:
        console.print()
        orders: list[list[object]] = [
            [
                _name(each),
                *map(_share, (each.accuracy, each.natural, each.schedule_rho, each.natural_rho)),
                *_delays(each.latency),
            ]
            for each in evaluation.conditions
        ]
        columns = "condition >schedule >reading_order >rho_schedule >rho_reading looks_after text_after"
        print_table(console, columns, orders)
    if evaluation.groups:
        console.print()
        groups: list[list[object]] = [
            [group.by, group.name, group.n, *map(_share, (group.gaze, group.control, group.unsteered))]
            for group in evaluation.groups
        ]
        print_table(console, "by name >n >gaze >control >unsteered", groups)
    if evaluation.sweep:
        console.print()
        steps: list[list[object]] = [
            [rung.k, _share(rung.gaze), _share(rung.control), bar(rung.gaze)] for rung in evaluation.sweep
        ]
        print_table(console, ">heads >gaze >control gaze_", steps)


def _show_comparison(console: Console, comparison: ComparisonPart) -> None:
    """A row a selector: what steering it gave, and how many of its best heads it shares with each."""
    rows: list[list[object]] = [
        [
            one.score,
            _share(one.accuracy),
            f"{one.ci95[0]:.3f} to {one.ci95[1]:.3f}" if one.ci95 else None,
            *shared,
        ]
        for one, shared in zip(comparison.selectors, comparison.overlap, strict=True)
    ]
    names = " ".join(f">{one.score}" for one in comparison.selectors)
    print_facts(console, {"compared": f"top {comparison.k} by each score, and heads they share"})
    print_table(console, f"selector >accuracy interval {names}", rows)


def _judge(evaluation: EvaluationPart) -> str:
    judging = evaluation.judging
    if judging is None:
        return f"{evaluation.judge}, intervals of 95 % over strips"
    who = [judging.name]
    if judging.model is not None:
        who.append(judging.model)
    if not judging.independent:
        who.append("not independent: the model judges itself")
    if judging.requests is not None:
        who.append(f"{judging.requests} requests, {judging.kept or 0} answers kept from before")
    return f"{', '.join(who)}; intervals of 95 % over strips"


def _delays(latency: LatencyPart | None) -> tuple[str | None, str | None]:
    return (_delay(latency.looks), _delay(latency.text)) if latency else (None, None)


def _delay(delay: DelayPart | None) -> str | None:
    """Median tokens, and how often it got there at all."""
    if delay is None or delay.median is None:
        return None
    return f"{delay.median:g} tokens ({delay.reached} of {delay.switches})"


def _condition(condition: ConditionPart) -> list[object]:
    low, high = condition.ci95
    return [
        _name(condition),
        condition.k,
        _share(condition.accuracy),
        f"{low:.3f} to {high:.3f}",
        condition.abstained,
        condition.junk,
        condition.unchanged,
        condition.n,
        bar(condition.accuracy),
    ]


def _name(condition: ConditionPart) -> str:
    return condition.name if condition.seed is None else f"{condition.name} {condition.seed}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _halves(document: ReportDocument) -> str | None:
    honesty = document.honesty
    if honesty is None or honesty.split_half_overlap is None:
        return None
    agree = f"{honesty.split_half_overlap} of the top {document.suggested.top} agree"
    return agree if honesty.split_half_r is None else f"{agree}, r = {honesty.split_half_r:.3f}"
