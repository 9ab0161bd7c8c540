r"""A report as LaTeX: booktabs tables and the methods paragraph, to be \input into a paper.

Foreign text is escaped, and nothing but ASCII is written, so that any engine compiles it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from gazecli.plain_text import visible
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.tables import (
    Table,
    against_facts,
    against_table,
    cell_text,
    evaluation_tables,
    evaluation_title,
    heads_table,
    selectors_table,
)

_SPELLED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "-{}",  # two of them would become a dash
    "[": "{[}",
    "]": "{]}",
    "\u2013": "--",
    "\u2014": "---",
    "\u201c": "``",
    "\u201d": "''",
    "\u2018": "`",
    "\u2019": "'",
    "\u2192": r"\ensuremath{\rightarrow}",
    "\u00b1": r"\ensuremath{\pm}",
    "\u00d7": r"\ensuremath{\times}",
    "\u03c1": r"\ensuremath{\rho}",
    "\u03b4": r"\ensuremath{\delta}",
    "\u2026": r"\dots{}",
    "\u00a0": "~",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u030a": "r",
    "\u030c": "v",
    "\u0327": "c",
}
_LINE = 72  # characters of \small in one line of an article
_RANGE = re.compile(r"(?<=\d) to (?=\d)")
_HEADER = r"% Written by gaze {version}. In the preamble: \usepackage{{booktabs}} and \usepackage{{textcomp}}"


def escaped(text: str) -> str:
    """One line of text that LaTeX shows as it is; a character no font is sure to have becomes its number."""
    return "".join(_spelled(character) for character in visible(text))


def report_latex(document: ReportDocument, shown: int = 10) -> str:
    """A table of each evaluation, of the selectors, and of the `shown` best heads, then the methods."""
    model = document.model.name
    parts = [_HEADER.format(version=escaped(document.gaze))]
    for evaluation in document.evaluations:
        title = evaluation_title(evaluation).removeprefix("Evaluation: ")
        parts += [
            _table(table, f"{table.title}, {model} ({title})")
            for table in evaluation_tables(evaluation, panels=False)
            if not table.folded
        ]
    if document.comparison is not None:
        table = selectors_table(document.comparison)
        parts.append(_table(table, f"{table.title}, {model}"))
    if document.against is not None:
        parts += [
            f"{escaped(name)}: {escaped(value)}." for name, value in against_facts(document.against).items()
        ]
        if (table := against_table(document.against)).rows:
            parts.append(_table(table, f"{table.title}, {model}"))
    best = heads_table(document, shown)
    parts += [
        _table(best, f"{best.title} of {model}"),
        # Digests cannot be hyphenated: words may stand wide apart instead.
        rf"\begin{{sloppypar}}\paragraph{{Methods.}} {escaped(document.methods)}\end{{sloppypar}}",
    ]
    return "\n\n".join(parts) + "\n"


def _table(table: Table, caption: str) -> str:
    sides = "".join("r" if column.startswith(">") else "l" for column in table.columns)
    rows = [_row([column.removeprefix(">") for column in table.columns])]
    rows += [_row([_RANGE.sub("\u2013", cell_text(cell)) for cell in row]) for row in table.rows]
    wide = _width(table) > _LINE
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\scriptsize\setlength{\tabcolsep}{2pt}" if wide else r"\centering\small",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _width(table: Table) -> int:
    """Characters of a line of the table, two between columns."""
    columns = zip(*([cell_text(cell) for cell in row] for row in [table.columns, *table.rows]), strict=True)
    return sum(2 + max(map(len, column)) for column in columns)


def _row(cells: Sequence[str]) -> str:
    # The brace keeps a cell that begins with a bracket from becoming the argument of the line end before it.
    return "{}" + " & ".join(escaped(cell) for cell in cells) + r" \\"


def _spelled(character: str) -> str:
    if character in _SPELLED:
        return _SPELLED[character]
    if " " <= character <= "~":
        return character
    apart = unicodedata.normalize("NFD", character)
    base, mark = apart[0], apart[1:]
    if base.isascii() and base.isalpha() and mark in _ACCENTS:
        letter = rf"\{base}{{}}" if base in "ij" else base
        return rf"\{_ACCENTS[mark]}{{{letter}}}"
    return f"U+{ord(character):04X}"
