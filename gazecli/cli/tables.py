"""How tables for people look.

Knows nothing of what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gazecli.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console


def print_table(console: Console, columns: str, rows: list[list[object]]) -> None:
    """Print `rows` under `columns`, e.g. "alias family >layers": `>` sets numbers flush right.

    A `_` in a column's name shows as a space. Text is made harmless; None shows as a dash.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns.split():
        right = name.startswith(">")
        title = name.removeprefix(">").replace("_", " ")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("-" if cell is None else visible(str(cell)) for cell in row))
    console.print(table)


def print_facts(console: Console, facts: dict[str, object]) -> None:
    """Print names and values in two columns; what is None is left out."""
    known = {visible(name): value for name, value in facts.items() if value is not None}
    width = max(map(len, known), default=0)
    for name, value in known.items():
        console.print(f"{name:<{width}}  {visible(str(value))}", soft_wrap=True)


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
