"""The facts and tables of a report, worked out once; terminal, Markdown and pages only draw them.

Imports documents for their types alone: whoever has a document pays for nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gazecli.reports.documents.evaluation import (
        ComparisonPart,
        ConditionPart,
        DelayPart,
        EvaluationPart,
        ExampleAnswerPart,
        ScoreChoicePart,
    )
    from gazecli.reports.documents.results import AgainstPart, ReportDocument, SuggestedPart

Cell: TypeAlias = str | int | float | tuple[float, float] | None
Facts: TypeAlias = dict[str, str]
_INTERVAL = ">95 % interval"
_CONDITIONS = {
    "gaze": "gaze heads",
    "control": "controls",
    "low_control": "controls of lowest score",
    "all": "all heads",
    "unsteered": "unsteered",
    "asked": "asked by place",
    "blind": "asked, gaze heads blind",
    "blind_control": "asked, controls blind",
}


_KINDS = {
    "text": "text heads: found on numbered texts, without any picture",
    "ranking": "a ranking that others published",
    "listed": "heads listed by hand",
}


@dataclass(frozen=True)
class Table:
    """Columns, flush right where they begin with `>`, and rows of cells as numbers and text.

    folded: shown on demand, or left out. bar: the column whose shares of one a terminal also draws as bars.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False
    bar: int | None = None


def cell_text(cell: Cell, missing: str = "–") -> str:
    """A cell in words: shares and scores with three digits, `0.250 to 0.750` for an interval."""
    if cell is None:
        return missing
    if isinstance(cell, tuple):
        return " to ".join(map(cell_text, cell))
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def condition_label(name: str, k: int | None = None, seed: int | None = None, draws: int = 1) -> str:
    """`gaze heads`, with `k` `gaze heads, top 5`; `controls, draw 2`, or of several `controls, 5 draws`."""
    label = _CONDITIONS.get(name, name)
    if draws > 1:
        return f"{label}, {draws} draws"
    if seed is not None:
        return f"{label}, draw {seed}"
    return f"{label}, top {k}" if name == "gaze" and k is not None else label


def report_facts(document: ReportDocument) -> Facts:
    """What the head set is and how far it can be trusted."""
    model, comics, imported = document.model, document.comics, document.imported
    suggested, honesty = document.suggested, document.honesty
    facts = {
        "head set": document.headset,
        "model": f"{model.name}: {model.family}, {model.layers} x {model.heads} heads, {model.dtype}",
    }
    if document.kind in ("pictures", "text"):
        unit, part = ("strips", "panels") if document.kind == "pictures" else ("lists", "texts")
        facts["discovered on"] = f"{comics.strips} {unit} of {comics.panels} {part}"
    elif imported is not None:
        facts["imported"] = f"a ranking of {imported.heads} heads, sha256:{imported.sha256}"
        facts["lacks"] = ", ".join(imported.lacks)
    if document.kind != "pictures":
        facts["kind"] = _KINDS[document.kind]
    facts["suggested"] = f"{suggestion_words(suggested)}: {suggested.why}"
    if honesty is not None:
        facts["label-shuffled null"] = f"95 % of draws stay below {honesty.null_95:.3f}"
        if honesty.split_half_overlap is not None:
            # How many they were is not recorded; a sweep may have changed the number suggested since.
            common, r = f"{honesty.split_half_overlap} best heads in common", honesty.split_half_r
            facts["split halves"] = common if r is None else f"{common}, r = {r:.3f}"
    return facts


def suggestion_words(suggested: SuggestedPart) -> str:
    """`top 5 by raw`, and the strength where a sweep chose one."""
    strength = "" if suggested.strength is None else f", strength {suggested.strength:g}"
    return f"top {suggested.top} by {suggested.score}{strength}"


def repeat_facts(document: ReportDocument) -> Facts:
    """What discovery and evaluation were run with; what is not known is left out."""
    facts: dict[str, object] = {
        "head set": document.headset,
        "checkpoint": f"{document.model.id}, {document.model.digest}",
        "revision": document.model.revision,
        "comics": document.comics.digest,
        **{f"discovery: {name}": value for name, value in document.settings.model_dump().items()},
    }
    evaluation = document.evaluation
    if evaluation is not None:
        facts["evaluated on"] = evaluation.comics.digest
        facts |= {f"evaluation: {name}": value for name, value in evaluation.settings.model_dump().items()}
    facts |= {**document.versions, "gaze": document.gaze}
    return {name: str(value) for name, value in facts.items() if value is not None}


def heads_table(document: ReportDocument, shown: int | None = None) -> Table:
    """The best `shown` heads, or all of them."""
    heads = document.heads[:shown]
    title = f"All {len(heads)} heads" if shown is None else f"The best {len(heads)} heads"
    mass = ">text mass" if document.kind == "text" else ">image mass"
    columns = [">layer", ">head", ">raw", ">selectivity", mass]
    rows = [(h.layer, h.head, h.raw, h.selectivity, h.image_mass) for h in heads]
    return Table(title, columns, rows, folded=shown is None, bar=2)


def layers_table(document: ReportDocument) -> Table:
    """How the suggested heads spread over the layers, and the scores there."""
    columns = [">layer", f">heads in the top {document.suggested.top}", ">best", ">mean"]
    rows = [(row.layer, row.heads_in_top, row.best, row.mean) for row in document.layers]
    return Table("Layers", columns, rows, bar=2)


def selectors_table(comparison: ComparisonPart) -> Table:
    """A row a selector: what steering it gave, and how many of its best heads it shares with each."""
    columns = ["selector", ">accuracy", _INTERVAL, *(f">shared with {s.score}" for s in comparison.selectors)]
    rows = [
        (selector.score, selector.accuracy, selector.ci95, *shared)
        for selector, shared in zip(comparison.selectors, comparison.overlap, strict=True)
    ]
    return Table(f"Selectors, top {comparison.k}", columns, rows)


def against_facts(against: AgainstPart) -> Facts:
    """The other head set, the heads shared with it, and what chance would share."""
    chance = f"{against.expected:.2f} by layer-matched chance (p = {against.p:.2g})"
    facts = {
        "against": f"{against.model.name}, head set {against.headset}",
        "heads shared": f"{len(against.shared)} of the top {against.k}; {chance}, "
        f"{against.expected_anywhere:.2f} anywhere in the model",
    }
    if against.correlation is not None:
        facts["rank correlation"] = f"{against.correlation:.3f} of the scores of {against.compared} heads"
    return facts


def against_table(against: AgainstPart) -> Table:
    """What steering by both gave, a row an evaluation that is kept of both; none without such."""
    columns = ["task", "judge", ">this head set", _INTERVAL, ">the other", _INTERVAL]
    rows = [
        (each.task, each.judge, each.accuracy, each.ci95, each.against_accuracy, each.against_ci95)
        for each in against.steering
    ]
    return Table("Steering by both", columns, rows)


def evaluation_title(evaluation: EvaluationPart) -> str:
    """What tells an evaluation from others of the same head set: its task and its judge."""
    judge = "not judged" if evaluation.judge == "none" else f"{evaluation.judge} judge"
    return f"Evaluation: {evaluation.task}, {judge}"


def turned_words(stored: int, upright: int, assumed: int) -> str:
    """What was done with the boxes of pictures that have an EXIF orientation."""
    total = stored + upright
    boxes = [f"{stored} in the file's pixels, now turned too"] * bool(stored)
    boxes += [f"{upright} upright already"] * bool(upright)
    guessed = f". Assumed for {assumed}" * bool(assumed)
    return f"EXIF turns {total} picture{'s' * (total > 1)}. Boxes: {', '.join(boxes)}{guessed}"


def headline(evaluation: EvaluationPart) -> str | None:
    """What steering gave, beside controls and nothing steered, in one line; None if it was not judged."""
    of: dict[str, list[ConditionPart]] = {}
    for each in evaluation.conditions:
        of.setdefault(each.name, []).append(each)
    if "gaze" not in of:
        return None
    [gaze] = of["gaze"]
    beside = [
        f"{sum(each.accuracy for each in of[name]) / len(of[name]):.3f} {condition_label(name)}"
        for name in ("control", "unsteered")
        if name in of
    ]
    steered = f"accuracy {gaze.accuracy:.3f} ({cell_text(gaze.ci95)}) {condition_label('gaze', gaze.k)}"
    done = f"{evaluation.task}, {evaluation.strips} picture{'s' * (evaluation.strips != 1)}"
    return f"{', '.join([steered, *beside])}, chance {evaluation.chance:.3f}; {done}"


def evaluation_facts(evaluation: EvaluationPart) -> Facts:
    """How one evaluation was done."""
    settings, choice = evaluation.settings, evaluation.choice
    facts = {
        "task": evaluation.task,
        "prompt": settings.prompt,
        "pictures": f"{evaluation.strips} of {evaluation.comics.strips}, chance {evaluation.chance:.3f}",
        "judge": _judge(evaluation),
        "intervals": f"95 %, bootstrap over pictures, {settings.resamples} resamples",
        "steering": f"strength {settings.strength:g}, {settings.mode}, scope {settings.scope}, "
        f"top {settings.top} by {settings.score}",
        "ran on": f"{settings.device}, {settings.dtype}, seed {settings.seed}",
    }
    turned = evaluation.comics.turned
    if turned is not None:
        facts["turned"] = turned_words(turned.stored, turned.upright, turned.assumed)
    if evaluation.generations is not None:
        facts["texts"] = f"{evaluation.generations.texts} in {evaluation.generations.path}"
    if choice is not None:
        score = f" by {choice.score}" if choice.score is not None else ""
        strength = f" at strength {choice.strength:g}" if choice.strength is not None else ""
        facts["chosen"] = (
            f"{choice.k} heads{score}{strength}, accuracy {choice.accuracy:.3f} on the {choice.strips} "
            "pictures that chose; the conditions are measured on the others"
        )
    if evaluation.score_choice is not None:
        facts["score"] = score_words(evaluation.score_choice)
    for made in (choice, evaluation.score_choice):
        if made is not None and made.refused is not None:
            facts["not suggested"] = made.refused
    if settings.protocol is not None:
        facts["protocol"] = settings.protocol
    if evaluation.p_value is not None:
        facts["against controls"] = controls_words(evaluation)
    if evaluation.on_discovery_strips:
        facts["careful"] = discovery_words(evaluation)
    if evaluation.warnings:
        facts["warning"] = "; ".join(evaluation.warnings)
    for number, advice in enumerate(evaluation.advice, 1):
        facts["advice" if number == 1 else f"advice {number}"] = advice
    return facts


def score_words(choice: ScoreChoicePart) -> str:
    """Which score was chosen by steering, and what each that was tried gave."""
    tried = [
        f"{each.accuracy:.3f} by {each.score} (halves {' and '.join(map(cell_text, each.halves))})"
        for each in choice.tried
    ]
    how = f"chosen by steering the top {choice.k} on {choice.strips} pictures"
    return f"{choice.score}, {how}: {', '.join(tried)}"


def controls_words(evaluation: EvaluationPart) -> str:
    """Every control's accuracy in order, and how likely chance alone is to beat them all."""
    controls = sorted(each.accuracy for each in evaluation.conditions if each.name == "control")
    shown = ", ".join(map(cell_text, controls))
    return f"p = {evaluation.p_value:.3f} by {len(controls)} draws: {shown}"


def discovery_words(evaluation: EvaluationPart) -> str:
    """That the pictures, or how many of them, are those in which the heads were found."""
    shared, strips = evaluation.discovery_strips, evaluation.strips
    these = "these" if shared is None or shared == strips else f"{shared} of these {strips}"
    return f"{these} are strips on which the heads were found; others give a fairer figure"


def evaluation_tables(evaluation: EvaluationPart, *, panels: bool = True) -> list[Table]:
    """All tables of one evaluation that there are data for; `panels` adds a column a panel."""
    tables = [_conditions(evaluation.conditions, panels)]
    if evaluation.task == "dynamic":
        tables.append(_orders(evaluation.conditions))
    tables += [_differences(evaluation), _groups(evaluation), _sweep(evaluation), _examples(evaluation)]
    return [table for table in tables if table.rows]


def summary_table(evaluation: EvaluationPart) -> Table:
    """A row a kind of condition: accuracy, its interval, or mean and range where there are several draws."""
    groups: dict[str, list[ConditionPart]] = {}
    for each in evaluation.conditions:
        groups.setdefault(each.name, []).append(each)
    rows: list[Sequence[Cell]] = []
    for name, draws in groups.items():
        shares = [each.accuracy for each in draws]
        several = len(draws) > 1
        rows.append(
            (
                condition_label(name, draws=len(draws)),
                sum(shares) / len(shares),
                None if several else draws[0].ci95,
                (min(shares), max(shares)) if several else None,
            )
        )
    return Table("Accuracy", ["condition", ">accuracy", _INTERVAL, ">draws lie within"], rows)


def panels_table(evaluation: EvaluationPart) -> Table:
    """Accuracy of each panel under each condition, apart from the rest for pages that are not so wide."""
    count = max((len(each.per_region) for each in evaluation.conditions), default=0)
    rows = [
        (condition_label(each.name, seed=each.seed), *[*each.per_region, *[None] * count][:count])
        for each in evaluation.conditions
    ]
    columns = ["condition", *(f">panel {number}" for number in range(1, count + 1))]
    return Table("Accuracy by condition and panel", columns, rows if count > 1 else [], folded=True)


def verdict(answer: ExampleAnswerPart) -> str:
    """`right, region 2`, `wrong, region 1`, or why nothing was judged."""
    if answer.described is None:
        return answer.fate
    return f"{'right' if answer.described == answer.region else 'wrong'}, region {answer.described}"


def _judge(evaluation: EvaluationPart) -> str:
    judging = evaluation.judging
    if judging is None:
        return evaluation.judge
    parts = [judging.name]
    if judging.model is not None:
        parts.append(judging.model)
    if not judging.independent:
        parts.append("not independent: the model judges itself")
    if judging.requests is not None:
        parts.append(f"{judging.requests} requests, {judging.kept or 0} answers kept from before")
    return ", ".join(parts)


def _conditions(conditions: Sequence[ConditionPart], panels: bool) -> Table:
    count = max((len(each.per_region) for each in conditions), default=0) if panels else 0
    columns = [
        "condition",
        ">K",
        ">accuracy",
        _INTERVAL,
        ">abstained",
        ">junk",
        ">unchanged",
        ">repeated",
        ">n",
    ]
    rows = [
        (
            condition_label(each.name, seed=each.seed),
            *(each.k, each.accuracy, each.ci95, each.abstained, each.junk, each.unchanged),
            *(each.repeated, each.n),
            # Pictures need not have the same number of regions.
            *[*each.per_region, *[None] * count][:count],
        )
        for each in conditions
    ]
    columns += [f">panel {number}" for number in range(1, count + 1)]
    return Table("Accuracy by condition", columns, rows, bar=2)


def _orders(conditions: Sequence[ConditionPart]) -> Table:
    columns = ["condition", ">schedule", ">reading order", ">ρ with the schedule", ">ρ with reading order"]
    columns += [">tokens until attention follows", ">tokens until text follows"]
    rows = [
        (
            condition_label(each.name, seed=each.seed),
            *(each.accuracy, each.natural, each.schedule_rho, each.natural_rho),
            _delay(each.latency.looks if each.latency else None),
            _delay(each.latency.text if each.latency else None),
        )
        for each in conditions
    ]
    return Table("Agreement with schedule and reading order", columns, rows)


def _delay(delay: DelayPart | None) -> str | None:
    """The median, and after how many changes of the target it followed at all."""
    if delay is None:
        return None
    median = "never" if delay.median is None else f"{delay.median:g}"
    return f"{median} ({delay.reached} of {delay.switches})"


def _groups(evaluation: EvaluationPart) -> Table:
    names = ("gaze", "control", "all", "unsteered")
    columns = ["targets", ">n", *(f">{_CONDITIONS[name]}" for name in names)]
    rows = [
        (f"{each.by}: {each.name}", each.n, each.gaze, each.control, each.all, each.unsteered)
        for each in evaluation.groups
    ]
    return Table("Accuracy by kind of target", columns, rows)


def _sweep(evaluation: EvaluationPart) -> Table:
    strengths = any(step.strength is not None for step in evaluation.sweep)
    over = "strength" if strengths else "K"
    columns = [f">{over}", "score", ">gaze heads", _INTERVAL, ">controls", _INTERVAL]
    columns += [">junk", ">repeated trigrams", ">words"]
    rows = [
        (
            f"{step.strength:g}" if step.strength is not None else step.k,
            step.score,
            *(step.gaze, step.gaze_ci95, step.control, step.control_ci95),
            *(step.junk, step.repetition, step.words),
        )
        for step in evaluation.sweep
    ]
    return Table(f"Accuracy over {over}, on the pictures that chose", columns, rows, bar=2)


def _differences(evaluation: EvaluationPart) -> Table:
    columns = ["gaze heads against", ">more accurate by", _INTERVAL]
    rows = [(condition_label(each.name), each.difference, each.ci95) for each in evaluation.differences]
    return Table("Differences, paired over pictures", columns, rows)


def _examples(evaluation: EvaluationPart) -> Table:
    rows = [
        (part.name, answer.region, verdict(answer), answer.text)
        for part in evaluation.examples
        for answer in part.answers
    ]
    return Table("Some answers", ["picture", ">target", "judged", "answer"], rows, folded=True)
