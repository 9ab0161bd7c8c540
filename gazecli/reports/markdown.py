"""A report as Markdown tables, for papers and README files.

Foreign text (names, paths, prompts) is escaped: it shows as it is and formats nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gazecli.plain_text import visible
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.tables import (
    Cell,
    Facts,
    Table,
    against_facts,
    against_table,
    cell_text,
    evaluation_facts,
    evaluation_tables,
    evaluation_title,
    heads_table,
    layers_table,
    repeat_facts,
    report_facts,
    selectors_table,
)

_MARKS = re.compile(r"([\\`*_\[\]~#|$@!])")
# What would become a link without any brackets.
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def escaped(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKS.sub("<!-- -->", _MARKS.sub(r"\\\1", plain))


def report_markdown(document: ReportDocument, shown: int = 10) -> str:
    """The report with its `shown` best heads."""
    parts = ["# Gaze heads of " + escaped(document.model.name), facts_drawn(report_facts(document))]
    if document.comparison is not None:
        parts += titled(selectors_table(document.comparison))
    if document.against is not None:
        parts += ["## Against another head set", facts_drawn(against_facts(document.against))]
        if (table := against_table(document.against)).rows:
            parts += titled(table, "###")
    for evaluation in document.evaluations:
        parts += [f"## {escaped(evaluation_title(evaluation))}", facts_drawn(evaluation_facts(evaluation))]
        for table in evaluation_tables(evaluation):
            if not table.folded:
                parts += titled(table, "###")
    parts += [
        *titled(heads_table(document, shown)),
        *titled(layers_table(document)),
        "## Methods",
        escaped(document.methods),
        "## To repeat this",
        facts_drawn(repeat_facts(document)),
    ]
    return "\n\n".join(parts) + "\n"


def titled(table: Table, level: str = "##") -> list[str]:
    """The blocks of a table under its title."""
    return [f"{level} {escaped(table.title)}", _drawn(table.columns, table.rows)]


def facts_drawn(facts: Facts) -> str:
    """Names and values as a table of two columns."""
    return _drawn(["", "value"], list(facts.items()))


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    titles = " | ".join(escaped(column.removeprefix(">")) for column in columns)
    rule = "|".join("---:" if column.startswith(">") else "---" for column in columns)
    lines = [" | ".join(escaped(cell_text(cell)) for cell in row) for row in rows]
    return "\n".join([f"| {titles} |", f"|{rule}|", *(f"| {line} |" for line in lines)])
