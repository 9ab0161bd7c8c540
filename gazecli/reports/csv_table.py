"""A report as CSV: a line a head, condition, group of targets, selector or step of the sweep.

Cells are such that no spreadsheet runs them. The column `row` says which of these a line is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from gazecli.plain_text import visible
from gazecli.reports.documents.evaluation import (
    ComparisonPart,
    ConditionPart,
    EvaluationPart,
    GroupPart,
    SelectorPart,
    SweepPart,
)
from gazecli.reports.documents.results import ReportDocument

_COLUMNS = (
    "row headset model score layer head raw selectivity image_mass suggested task condition k seed accuracy "
    "ci95_low ci95_high chance abstained junk unchanged n natural schedule_rho natural_rho image "
    "localization judge looks_after text_after by name"
).split()
# Full-width signs are signs to some spreadsheets.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Row = Mapping[str, object]


def harmless_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run as a formula."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_RISKY) else shown


def csv_of(rows: Sequence[Row]) -> str:
    """Rows of equal keys as a table with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def report_csv(document: ReportDocument) -> str:
    """The report as one table with a header line; cells that do not apply are empty."""
    rows = report_rows(document)
    conditions = [each for evaluation in document.evaluations for each in evaluation.conditions]
    panels = max((len(each.per_region) for each in conditions), default=0)
    out = io.StringIO()
    columns = [*_COLUMNS, *(f"region_{number}" for number in range(1, panels + 1))]
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def report_rows(document: ReportDocument) -> list[Row]:
    """The lines of that table; each has the keys that apply."""
    top = document.suggested.top
    rows: list[Row] = [
        {"row": "head", **head.model_dump(), "suggested": int(place < top)}
        for place, head in enumerate(document.heads)
    ]
    for evaluation in document.evaluations:
        rows += [_condition(evaluation, condition) for condition in evaluation.conditions]
        rows += [row for group in evaluation.groups for row in _groups(evaluation, group)]
        rows += [row for step in evaluation.sweep for row in _steps(evaluation, step)]
    if document.comparison is not None:
        rows += [_selector(document.comparison, each) for each in document.comparison.selectors]
    shared = {"headset": document.headset, "model": document.model.name, "score": document.suggested.score}
    return [{**shared, **row} for row in rows]


def _condition(evaluation: EvaluationPart, condition: ConditionPart) -> Row:
    own = condition.model_dump(
        include={*"k seed accuracy abstained junk unchanged n natural schedule_rho natural_rho".split()}
    )
    latency = condition.latency
    return {
        "row": "condition",
        "score": evaluation.settings.score,
        "task": evaluation.task,
        "condition": condition.name,
        **own,
        **_interval(condition.ci95),
        "chance": evaluation.chance,
        "judge": evaluation.judge,
        "looks_after": latency.looks.median if latency and latency.looks else None,
        "text_after": latency.text.median if latency and latency.text else None,
        **{f"region_{number}": share for number, share in enumerate(condition.per_region, 1)},
    }


def _groups(evaluation: EvaluationPart, group: GroupPart) -> list[Row]:
    shared = {"row": "group", "task": evaluation.task, "by": group.by, "name": group.name, "n": group.n}
    return [
        {**shared, "judge": evaluation.judge, "condition": name, "accuracy": share}
        for name in ("gaze", "control", "all", "unsteered")
        if (share := getattr(group, name)) is not None
    ]


def _steps(evaluation: EvaluationPart, step: SweepPart) -> list[Row]:
    shared = {
        "row": "sweep",
        "score": step.score or evaluation.settings.score,
        "task": evaluation.task,
        "k": step.k,
        "chance": evaluation.chance,
    }
    both = (("gaze", step.gaze, step.gaze_ci95), ("control", step.control, step.control_ci95))
    return [
        {**shared, "condition": name, "accuracy": share, **_interval(interval)}
        for name, share, interval in both
        if share is not None
    ]


def _selector(comparison: ComparisonPart, selector: SelectorPart) -> Row:
    return {
        "row": "selector",
        "score": selector.score,
        "k": comparison.k,
        "accuracy": selector.accuracy,
        **_interval(selector.ci95),
        "n": selector.n,
    }


def _interval(ends: tuple[float, float] | None) -> Row:
    return dict(zip(("ci95_low", "ci95_high"), ends or (None, None), strict=True))


def _cell(value: object) -> object:
    if value is None:
        return ""
    return harmless_cell(value) if isinstance(value, str) else value
