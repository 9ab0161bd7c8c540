"""Facts and tables on a terminal, and the report as it is shown there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from gazecli.cli.output import shown_as
from gazecli.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from gazecli.cache import Cache
    from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationDocument, EvaluationPart
    from gazecli.reports.documents.results import (
        HeadSetDocument,
        ReportDocument,
        SteerDocument,
        SwitchDocument,
        TrackDocument,
    )
    from gazecli.reports.tables import Table


def show_report(console: Console, document: ReportDocument, shown: int) -> None:
    """Print the report with its `shown` best heads; evaluations come last."""
    from gazecli.reports.tables import against_facts, against_table, heads_table, layers_table, report_facts

    print_facts(console, report_facts(document))
    _draw(console, heads_table(document, shown))
    _draw(console, layers_table(document))
    _show_comparison(console, document.comparison)
    if document.against is not None:
        console.print()
        print_facts(console, against_facts(document.against))
        if (table := against_table(document.against)).rows:
            _draw(console, table)
    # The newest stands last, where the eye ends up.
    for evaluation in reversed(document.evaluations):
        show_evaluation(console, evaluation)
    if not document.evaluations:
        console.print()
        console.print("not evaluated yet: gaze evaluate HEADSET COMICS")
    console.print()
    console.print(f"methods: {document.methods}")


Named = TypeVar("Named", "HeadSetDocument", "ReportDocument", "EvaluationDocument")


def labelled(document: Named, cache: Cache) -> Named:
    """The document with its model called as people call it, by the folder where it lies in one."""
    from gazecli.heads.headset_store import model_label

    label = model_label(cache, document.model.name, document.model.digest)
    return document.model_copy(update={"model": document.model.model_copy(update={"name": label})})


def show_evaluation_document(console: Console, document: EvaluationDocument) -> None:
    """Print one evaluation with the names of what it is about, and with the selectors it compared."""
    names = {"evaluation": document.digest, "head set": document.headset, "model": document.model.name}
    print_facts(console, names)
    _show_comparison(console, document.comparison)
    show_evaluation(console, document.evaluation)


def _show_comparison(console: Console, comparison: ComparisonPart | None) -> None:
    from gazecli.reports.tables import selectors_table

    if comparison is not None:
        table = selectors_table(comparison)
        console.print()
        console.print(table.title)
        _draw(console, table)


def show_evaluation(console: Console, evaluation: EvaluationPart) -> None:
    """Print one evaluation. Accuracy by panel is left out, to stay narrow."""
    from gazecli.reports.tables import evaluation_facts, evaluation_tables

    console.print()
    print_facts(console, evaluation_facts(evaluation))
    for table in evaluation_tables(evaluation, panels=False):
        if not table.folded:
            _draw(console, table)


def _draw(console: Console, table: Table) -> None:
    from gazecli.reports.tables import cell_text

    columns = list(table.columns)
    rows: list[list[object]] = [[cell_text(cell, "-") for cell in row] for row in table.rows]
    if table.bar is not None:
        columns.append(columns[table.bar].removeprefix(">"))
        for row, cells in zip(rows, table.rows, strict=True):
            share = cells[table.bar]
            row.append(bar(share) if isinstance(share, float) else "")
    console.print()
    print_table(console, columns, rows)


def print_table(console: Console, columns: str | Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print `rows` under `columns`, e.g. "alias family >layers": `>` sets numbers flush right.

    In a string of names, a `_` shows as a space. Text is made harmless; None shows as a dash.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    if isinstance(columns, str):
        columns = [name.replace("_", " ") for name in columns.split()]
    for name in columns:
        justify: JustifyMethod = "right" if name.startswith(">") else "left"
        table.add_column(shown_as(name.removeprefix(">"), console.encoding), justify=justify, overflow="fold")
    for row in rows:
        cells = ("-" if cell is None else visible(str(cell)) for cell in row)
        table.add_row(*(shown_as(cell, console.encoding) for cell in cells))
    console.print(table)


def print_answers(console: Console, document: SteerDocument, *, streamed: bool = False) -> None:
    """Print the answers of one picture; `streamed` answers are on the terminal already."""
    rows: list[list[object]] = []
    names = region_names(document)
    for answer in document.answers:
        moved = answer.attention_on_region
        text = "" if streamed else answer.text
        mark = ", unchanged" if answer.unchanged else ""
        rows.append([names[answer.region], text, f"{moved.baseline:.2f} \u2192 {moved.steered:.2f}{mark}"])
    if document.baseline is not None:
        rows.append(["-", document.baseline.text, "unsteered"])
    print_table(console, ">region answer attention_on_it", rows)


def region_names(document: SteerDocument | SwitchDocument | TrackDocument) -> dict[int, str]:
    """How people see each region, by number: a panel as `2` or `2 dog`, any other by its label."""
    names = {}
    for region in document.regions:
        is_panel = region.number <= document.picture.panels
        parts = [str(region.number)] if is_panel or not region.label else []
        names[region.number] = " ".join([*parts, region.label or ""]).strip()
    return names


def print_facts(console: Console, facts: Mapping[str, object]) -> None:
    """Print names and values in two columns; what is None is left out."""
    known = {visible(name): value for name, value in facts.items() if value is not None}
    width = max(map(len, known), default=0)
    for name, value in known.items():
        console.print(f"{name:<{width}}  {visible(str(value))}", soft_wrap=True)


def print_provenance(
    console: Console, document: SteerDocument | SwitchDocument | TrackDocument, **files: str | None
) -> None:
    """Print the heads and the model of a result, and the files written beside it."""
    settings = document.settings
    heads = f"top {settings.top} by {settings.score} of {document.headset[:19]}"
    console.print()
    panels = document.picture.panels or "none found"
    print_facts(console, {"heads": heads, "model": document.model.name, "panels": panels, **files})


def bar(share: float, width: int = 16) -> str:
    """A bar of at most `width` blocks for a share of one."""
    return "\u2588" * round(min(max(share, 0.0), 1.0) * width)


def size_text(size: int) -> str:
    """`1.4 MB` for 1 400 000."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def age_text(seconds: float) -> str:
    """`3 d` for 260 000 seconds."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
