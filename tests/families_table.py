"""The README's table of supported families: a row for each random checkpoint that passed the tests.

Rows are made from what a run of `tests/models/test_families.py` found, never by hand. Knows nothing of how
families are tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- families: begin -->\n", "<!-- families: end -->\n"
COLUMNS = ("checkpoint of", "processor", "language model", "areas inverted, all as mapped")
HEADER = f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"


@dataclass
class Found:
    """What a run found of one family: areas that passed at each size, and what it was made of."""

    processor: str
    language_model: str
    areas: dict[tuple[int, int], int] = field(default_factory=dict)

    def row(self, family: str) -> str:
        """The family's row of the table."""
        areas = f"{sum(self.areas.values())} at {len(self.areas)} sizes"
        return f"| {family} | {self.processor} | {self.language_model} | {areas} |\n"


def rows_of(page: str) -> dict[str, str]:
    """The rows that stand in a page, by family."""
    table = page.split(BEGIN)[1].split(END)[0].removeprefix(HEADER)
    return {line.split("|")[1].strip(): line for line in table.splitlines(keepends=True)}


def with_rows(page: str, found: Mapping[str, Found], families: Iterable[str]) -> str:
    """The page with the rows of `found` put in; of other rows those stay whose families still exist."""
    rows = rows_of(page) | {family: one.row(family) for family, one in found.items()}
    table = HEADER + "".join(rows[family] for family in families if family in rows)
    before, rest = page.split(BEGIN)
    return before + BEGIN + table + END + rest.split(END)[1]
