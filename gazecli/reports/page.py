"""A report as one HTML page: styles and charts inside, no scripts, nothing fetched from anywhere.

Every foreign text is escaped, and the page's own policy forbids scripts. Knows nothing of other formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gazecli.reports.charts import (
    accuracy_bars,
    clean,
    condition_label,
    matrix_map,
    score_map,
    sweep_chart,
)
from gazecli.reports.documents import EvaluationPart, ReportDocument

_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d5d9de }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem }
dt { color: #57606a }
dd { margin: 0; overflow-wrap: anywhere }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .7rem; border-bottom: 1px solid #e5e8eb; text-align: right }
th:first-child, td:first-child { text-align: left }
.wide { overflow-x: auto }
figure { display: inline-block; margin: .4rem 1.2rem .4rem 0 }
figcaption { color: #57606a; font-size: .85rem }
svg { max-width: 100%; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: #3b424a }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(document: ReportDocument, shown: int = 10) -> str:
    """The whole page, with the `shown` best heads in its table."""
    title = clean(f"Gaze heads of {document.model.name}")
    body = [f"<h1>{title}</h1>", _summary(document)]
    if document.evaluation is not None:
        body += _evaluation(document.evaluation)
    body += [*_maps(document), *_heads(document, shown), *_matrices(document)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + f"\n</main>\n<footer><p>gaze {clean(document.gaze)}</p></footer>\n</body>\n</html>\n"
    )


def _summary(document: ReportDocument) -> str:
    model, suggested, honesty = document.model, document.suggested, document.honesty
    size = f"{model.layers} x {model.heads} heads"
    facts = {
        "head set": document.headset,
        "model": f"{model.name} ({model.id}), {model.family}, {size}, {model.dtype}",
        "checkpoint": model.digest,
        **_origin(document),
        "suggested": f"top {suggested.top} by {suggested.score}: {suggested.why}",
    }
    if honesty is not None:
        facts["label-shuffled null"] = f"95 % of draws stay below {honesty.null_95:.3f}"
        if honesty.split_half_overlap is not None:
            facts["split halves"] = f"{honesty.split_half_overlap} of the top {suggested.top} agree"
    return _facts(facts)


def _origin(document: ReportDocument) -> dict[str, str]:
    comics, imported = document.comics, document.imported
    if imported is not None:
        lacking = ", ".join(imported.lacks)
        return {
            "imported": f"a ranking of {imported.heads} heads, sha256:{imported.sha256}",
            "lacks": lacking,
        }
    return {
        "discovered on": f"{comics.strips} strips of {comics.panels} panels, {comics.digest}",
        "asked": document.settings.prompt,
    }


def _evaluation(evaluation: EvaluationPart) -> list[str]:
    settings = evaluation.settings
    facts = {
        "strips": f"{evaluation.strips} of {evaluation.comics.strips}, {evaluation.comics.digest}",
        "judge": evaluation.judge,
        "steering": f"strength {settings.strength:g}, {settings.mode}, scope {settings.scope}, "
        f"top {settings.top} by {settings.score}",
        "asked": settings.prompt,
        "ran on": f"{settings.device}, {settings.dtype}, seed {settings.seed}",
    }
    parts = [
        f"<h2>Evaluation: {clean(evaluation.task)}</h2>",
        _facts(facts),
        _figure(accuracy_bars(evaluation.conditions, evaluation.chance, "accuracy by condition"), None),
        _conditions(evaluation),
    ]
    if evaluation.task == "dynamic":
        order = [
            [condition_label(each), *map(_share, (each.natural, each.schedule_rho, each.natural_rho))]
            for each in evaluation.conditions
        ]
        parts.append(
            _table(["condition", "in reading order", "ρ with the schedule", "ρ with reading order"], order)
        )
    if evaluation.sweep:
        told = "accuracy over the number of heads, on the half that chose it"
        parts.append(_figure(sweep_chart(evaluation.sweep, told), told))
    return parts


def _conditions(evaluation: EvaluationPart) -> str:
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
    panels = [f"panel {number}" for number in range(1, evaluation.comics.panels + 1)]
    columns = ["condition", "K", "accuracy", "95 % interval", *panels, "abstained", "junk", "unchanged", "n"]
    return _table(columns, rows)


def _maps(document: ReportDocument) -> list[str]:
    marked = {(head.layer, head.head) for head in document.heads[: document.suggested.top]}
    told = f"raw score of every head; the suggested {len(marked)} are framed"
    grid = [[0.0] * document.model.heads for _ in range(document.model.layers)]
    for head in document.heads:
        grid[head.layer][head.head] = head.raw
    return ["<h2>Scores</h2>", f'<div class="wide">{_figure(score_map(grid, marked, told), told)}</div>']


def _heads(document: ReportDocument, shown: int) -> list[str]:
    rows = [
        [f"layer {h.layer} head {h.head}", *map(_share, (h.raw, h.selectivity, h.image_mass))]
        for h in document.heads[:shown]
    ]
    return ["<h2>Best heads</h2>", _table(["head", "raw", "selectivity", "image mass"], rows)]


def _matrices(document: ReportDocument) -> list[str]:
    if not document.matrices:
        return []
    figures = [
        _figure(matrix_map(m.matrix, f"layer {m.layer} head {m.head}"), f"layer {m.layer} head {m.head}")
        for m in document.matrices
    ]
    return ["<h2>Panel asked about (rows) and looked at (columns)</h2>", *figures]


def _facts(facts: dict[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{clean(k)}</dt><dd>{clean(v)}</dd>" for k, v in facts.items()) + "</dl>"


def _figure(chart: str, caption: str | None) -> str:
    told = f"<figcaption>{clean(caption)}</figcaption>" if caption else ""
    return f"<figure>{chart}{told}</figure>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    titles = "".join(f'<th scope="col">{clean(column)}</th>' for column in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{clean(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
