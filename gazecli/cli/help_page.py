"""The help of a command: its usage, and its options in groups, each with what it takes and its default.

A terminal gets a panel for each group, a pipe the same groups as plain text, both as wide as COLUMNS says.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from gazecli.cli.output import console_on, has_colour, shown_as

_NARROWEST, _WIDEST_NAME, _GAP, _UNBROKEN, _BORDERS = 40, 28, 2, 48, 4
_NO_BREAK = "\u00a0"
_ARGUMENTS, _OPTIONS, _COMMANDS = "Arguments", "Options", "Commands"


@dataclass(frozen=True)
class Entry:
    """One line of a group: a name such as `--top`, what it takes, what it does, and its default."""

    name: str
    takes: str
    text: str
    default: str = ""

    @property
    def named(self) -> str:
        """The name and what it takes."""
        return f"{self.name} {self.takes}".rstrip()

    def lines(self, width: int) -> list[str]:
        """What it does and its default; a short default is not broken."""
        default = self.default
        if len(default) <= min(width, _UNBROKEN):
            default = default.replace(" ", _NO_BREAK)
        told = _wrapped("  ".join(filter(None, (self.text, default))), width)
        return [line.replace(_NO_BREAK, " ") for line in told] or [""]


def write_help(ctx: typer.Context) -> None:
    """Print the help of the command of `ctx` to stdout."""
    width = max(_NARROWEST, shutil.get_terminal_size().columns)
    if has_colour(sys.stdout):
        _write_panels(ctx, width)
    else:
        text = "\n".join(_plain_lines(ctx, width))
        sys.stdout.write(shown_as(f"{text}\n", sys.stdout.encoding))


def usage_of(command: Any, path: str) -> str:
    """How a command is called, in one line: `gaze discover [OPTIONS] MODEL [COMICS]`."""
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    places = [takes_of(each) if each.required else f"[{takes_of(each)}]" for each in arguments]
    inside = ["COMMAND [ARGS]..."] if _commands(command) else []
    return " ".join([path, "[OPTIONS]", *places, *inside])


def takes_of(parameter: Any) -> str:
    """What an argument or option takes, a noun in capitals; empty for a flag."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    if parameter.is_flag or parameter.count:
        return ""
    return str(parameter.metavar or "TEXT")


def default_of(parameter: Any) -> str:
    """The default as help says it: declared in words where it depends on something, else the value."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    if parameter.required or not parameter.show_default or not is_plain or getattr(parameter, "count", False):
        return ""
    return str(value)


def groups_of(command: Any) -> dict[str, list[Entry]]:
    """What a command takes, by the title of each group: arguments, then its own options, then all others."""
    groups: dict[str, list[Entry]] = {_ARGUMENTS: [], _OPTIONS: []}
    for each in command.params:
        if getattr(each, "hidden", False):
            continue
        is_argument = each.param_type_name == "argument"
        title = getattr(each, "rich_help_panel", None) or (_ARGUMENTS if is_argument else _OPTIONS)
        default = default_of(each)
        told = f"[default: {default}]" if default else "[required]" if each.required else ""
        # An argument is called what it takes.
        name = takes_of(each) if is_argument else ", ".join(sorted(each.opts, key=len))
        takes = "" if is_argument else takes_of(each)
        groups.setdefault(title, []).append(Entry(name, takes, each.help or "", told))
    for name, inside in _commands(command).items():
        title = getattr(inside, "rich_help_panel", None) or _COMMANDS
        groups.setdefault(title, []).append(Entry(name, "", _first_sentences(inside.help or "")))
    return {title: entries for title, entries in groups.items() if entries}


def paragraphs_of(text: str) -> Iterator[tuple[str, bool]]:
    """The paragraphs of a help text, and whether each keeps its lines, as trees of files do."""
    for each in text.split("\n\n"):
        kept = each.startswith("\b")
        yield (each.removeprefix("\b").strip("\n"), True) if kept else (" ".join(each.split()), False)


def _commands(command: Any) -> dict[str, Any]:
    return {name: each for name, each in getattr(command, "commands", {}).items() if not each.hidden}


def _first_sentences(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _column_of(groups: Mapping[str, Sequence[Entry]]) -> int:
    """How wide the names are in all groups, but for those too wide for a column."""
    names = [len(each.named) for entries in groups.values() for each in entries]
    return max((name for name in names if name <= _WIDEST_NAME), default=0) + _GAP


def _plain_lines(ctx: typer.Context, width: int) -> Iterator[str]:
    command: Any = ctx.command
    yield from _wrapped(f"Usage: {usage_of(command, ctx.command_path)}", width)
    for text, keeps_lines in paragraphs_of(command.help or ""):
        yield ""
        yield from textwrap.indent(text, "  ").splitlines() if keeps_lines else _wrapped(text, width, "  ")
    groups = groups_of(command)
    column = _column_of(groups)
    for title, entries in groups.items():
        yield ""
        yield f"{title}:"
        for each in entries:
            name = each.named
            first, *others = each.lines(width - column - _GAP)
            if len(name) + _GAP > column:  # it gets a line of its own
                yield f"  {name}"
                name = ""
            yield f"  {name:{column}}{first}".rstrip()
            yield from (f"{'':{column + _GAP}}{line}" for line in others)
    if command.epilog:
        yield ""
        for line in command.epilog.strip().splitlines():
            yield f"  {line.strip()}"


def _write_panels(ctx: typer.Context, width: int) -> None:
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    command: Any = ctx.command
    console = console_on(sys.stdout)
    console.width = width

    def text(shown: str, style: str = "") -> Text:
        # As Text, because brackets look like markup.
        return Text(shown_as(shown, console.encoding), style=style)

    usage = Text.assemble(("Usage: ", "yellow"), (usage_of(command, ctx.command_path), "bold"))
    console.print(Padding(usage, (1, 1, 0, 1)))
    for number, (paragraph, _) in enumerate(paragraphs_of(command.help or "")):
        console.print(Padding(text(paragraph, "dim" if number else ""), (1, 1, 0, 1)))
    console.print()
    groups = groups_of(command)
    column = _column_of(groups)
    for title, entries in groups.items():
        table = Table.grid(expand=True)
        table.add_column(no_wrap=True, width=column)
        table.add_column(ratio=1)
        for each in entries:
            told = text("\n".join(each.lines(width - column - _BORDERS)))
            told.highlight_regex(r"\[(?:default: |required)[^\]]*\]", "dim")
            named = text(each.named, "bold cyan")
            named.stylize("bold yellow", len(each.named) - len(each.takes))
            table.add_row(named, told)
        console.print(Panel(table, title=title, title_align="left", border_style="dim"))
    if command.epilog:
        console.print(Padding(text(command.epilog.strip()), (0, 1, 1, 1)))
