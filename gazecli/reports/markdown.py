"""A report as Markdown tables, for papers and README files.

Foreign text (names, paths, prompts) is escaped: it shows as it is and formats nothing. Knows nothing of
other formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gazecli.plain_text import visible
from gazecli.reports.documents.evaluation import ComparisonPart, DelayPart, EvaluationPart, LatencyPart
from gazecli.reports.documents.results import ReportDocument, to_repeat

_MARKS = re.compile(r"([\\`*_\[\]~#|$@!])")
# What would become a link without any brackets.
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def escaped(text: object) -> str:
    """One line of text that Markdown shows as it is."""
    plain = visible(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKS.sub("<!-- -->", _MARKS.sub(r"\\\1", plain))


def report_markdown(document: ReportDocument, shown: int = 10) -> str:
    """The report with its `shown` best heads."""
    parts = ["# Gaze heads of " + escaped(document.model.name), _facts(document)]
    if document.comparison is not None:
        parts += _comparison(document.comparison)
    if document.evaluation is not None:
        parts += _evaluation(document.evaluation)
    heads = document.heads[:shown]
    parts += [
        "## Best heads",
        _table(
            [">layer", ">head", ">raw", ">selectivity", ">image mass"],
            ([h.layer, h.head, _share(h.raw), _share(h.selectivity), _share(h.image_mass)] for h in heads),
        ),
        "## Layers",
        _table(
            [">layer", f">heads in the top {document.suggested.top}", ">best", ">mean"],
            ([row.layer, row.heads_in_top, _share(row.best), _share(row.mean)] for row in document.layers),
        ),
        "## To repeat this",
        _table(["", "value"], ([name, value] for name, value in to_repeat(document).items())),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(document: ReportDocument) -> str:
    suggested, honesty, imported = document.suggested, document.honesty, document.imported
    rows: list[Sequence[object]] = [
        ["head set", document.headset],
        ["checkpoint", f"{document.model.id} ({document.model.family}, {document.model.dtype})"],
        ["discovered on", f"{document.comics.strips} strips of {document.comics.panels} panels"]
        if imported is None
        else ["imported", f"a ranking of {imported.heads} heads; it lacks {', '.join(imported.lacks)}"],
        ["suggested", f"top {suggested.top} by {suggested.score}: {suggested.why}"],
    ]
    if honesty is not None:
        rows.append(["label-shuffled null", f"95 % of draws stay below {honesty.null_95:.3f}"])
    return _table(["", "finding"], rows)


def _evaluation(evaluation: EvaluationPart) -> list[str]:
    settings = evaluation.settings
    rows = [
        [
            condition.name if condition.seed is None else f"{condition.name} {condition.seed}",
            condition.k,
            _share(condition.accuracy),
            f"{_share(condition.ci95[0])} to {_share(condition.ci95[1])}",
            condition.abstained,
            condition.junk,
            condition.unchanged,
            condition.n,
            *(_share(share) for share in condition.per_region),
        ]
        for condition in evaluation.conditions
    ]
    columns = ["condition", ">K", ">accuracy", ">95 % interval", ">abstained", ">junk", ">unchanged", ">n"]
    columns += [f">panel {number}" for number in range(1, evaluation.comics.panels + 1)]
    sentence = (
        f"{evaluation.strips} strips, chance {_share(evaluation.chance)}, {evaluation.judge} judge, "
        f"strength {settings.strength:g}, scope {settings.scope}, {settings.dtype}; intervals by bootstrap "
        f"over pictures ({settings.resamples} resamples, seed {settings.seed}). Asked: {settings.prompt}"
    )
    parts = [f"## Evaluation: {evaluation.task}", escaped(sentence), _table(columns, rows)]
    if evaluation.task == "dynamic" and evaluation.conditions:
        parts.append(_order(evaluation))
    if evaluation.groups:
        found = [
            [each.by, each.name, each.n, *map(_share, (each.gaze, each.control, each.all, each.unsteered))]
            for each in evaluation.groups
        ]
        parts.append(_table(["by", "", ">n", ">gaze", ">control", ">all", ">unsteered"], found))
    if evaluation.sweep:
        steps = [
            [
                step.k,
                *(_share(step.gaze), _interval(step.gaze_ci95)),
                *(_share(step.control), _interval(step.control_ci95)),
            ]
            for step in evaluation.sweep
        ]
        columns = [">K", ">gaze", ">95 % interval", ">control", ">95 % interval"]
        parts += ["### Accuracy over K, on the other half", _table(columns, steps)]
    return parts


def _interval(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{_share(ends[0])} to {_share(ends[1])}"


def _order(evaluation: EvaluationPart) -> str:
    columns = ["condition", ">schedule", ">reading order", ">ρ schedule", ">ρ reading order"]
    columns += [">tokens until the looks", ">until the text"]
    rows = [
        [
            condition.name if condition.seed is None else f"{condition.name} {condition.seed}",
            *map(_share, (condition.accuracy, condition.natural)),
            *map(_share, (condition.schedule_rho, condition.natural_rho)),
            *_delays(condition.latency),
        ]
        for condition in evaluation.conditions
    ]
    return _table(columns, rows)


def _comparison(comparison: ComparisonPart) -> list[str]:
    rows = [
        [
            one.score,
            _share(one.accuracy),
            f"{one.ci95[0]:.3f} to {one.ci95[1]:.3f}" if one.ci95 else "–",
            *shared,
        ]
        for one, shared in zip(comparison.selectors, comparison.overlap, strict=True)
    ]
    names = [f">shared with {one.score}" for one in comparison.selectors]
    title = f"## Selectors, top {comparison.k}"
    return [title, _table(["selector", ">accuracy", ">95 % interval", *names], rows)]


def _delays(latency: LatencyPart | None) -> tuple[str, str]:
    return (_delay(latency.looks), _delay(latency.text)) if latency else ("–", "–")


def _delay(delay: DelayPart | None) -> str:
    if delay is None or delay.median is None:
        return "–"
    return f"{delay.median:g} ({delay.reached} of {delay.switches})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """`>` before a column's name sets it flush right."""
    titles = " | ".join(escaped(column.removeprefix(">")) for column in columns)
    rule = "|".join("---:" if column.startswith(">") else "---" for column in columns)
    lines = [" | ".join(map(escaped, row)) for row in rows]
    return "\n".join([f"| {titles} |", f"|{rule}|", *(f"| {line} |" for line in lines)])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
