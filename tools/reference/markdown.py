"""Tables of Markdown from texts that were not written for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """A text for a cell of a table: on one line, nothing in it read as markup but code in backquotes."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return (
        "".join(part.replace("|", "\\|") if part.startswith("`") else _plain(part) for part in parts) or "–"
    )


def _plain(text: str) -> str:
    return re.sub(r"([*_\[\]|])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
