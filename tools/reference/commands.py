"""A page for each command, read from the Typer application."""

from __future__ import annotations

import textwrap
from typing import Any

from typer.main import get_command

from gazecli.cli.app import GROUPS, build_app
from gazecli.cli.help_page import default_of, takes_of, usage_of
from tools.reference.markdown import cell, table

_EVERYWHERE = ("--format", "--json", "--quiet", "--verbose")  # options that every command has
_COMPLETION = ("--install-completion", "--show-completion", "--help")


def pages() -> dict[str, str]:
    """The pages by file name: an index, one a command, and one a group."""
    app: Any = get_command(build_app())
    made = {"index.md": _index(app)}
    for name, command in app.commands.items():
        if name in GROUPS:
            text = f"# gaze {name}\n\n{_words(command)}\n\n"
            text += "".join(
                _command(f"gaze {name} {each}", built, "##") for each, built in command.commands.items()
            )
        else:
            text = _command(f"gaze {name}", command, "#")
        made[f"{name}.md"] = text
    return made


def _index(app: Any) -> str:
    rows = []
    for name, command in app.commands.items():
        inside = command.commands if name in GROUPS else {None: command}
        for each, built in inside.items():
            words = " ".join(filter(None, ("gaze", name, each)))
            target = f"{name}.md#{words.replace(' ', '-')}" if each else f"{name}.md"
            rows.append((f"[`{words}`]({target})", cell(_summary(built))))
    shown = {*_EVERYWHERE, "--version", "--skill"}
    everywhere = _table([each for each in app.params if set(each.opts) & shown])
    return f"""# Commands

{app.help} These pages are made from the program itself; `gaze COMMAND --help` says the same.

{table(("command", ""), rows)}
## Options of every command

{everywhere}
stdout carries the result and nothing else: a table on a terminal, one JSON document elsewhere. Its form is
one of the [documents](../documents/index.md).

Exit codes: 0 done, 1 it ran and failed, 2 wrong usage or bad input, 130 interrupted.
"""


def _command(words: str, command: Any, heading: str) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument" and not each.hidden]
    options = [
        each
        for each in command.params
        if each.param_type_name == "option"
        and not each.hidden
        and not set(each.opts) & {*_EVERYWHERE, *_COMPLETION}
    ]
    anchor = f" {{ #{words.replace(' ', '-')} }}" if heading == "##" else ""
    text = f"{heading} {words}{anchor}\n\n{_words(command)}\n\n```text\n{usage_of(command, words)}\n```\n\n"
    if arguments:
        rows = [(f"`{takes_of(each)}`", _told(each), _default(each)) for each in arguments]
        text += table(("argument", "", "default"), rows) + "\n"
    if options:
        text += _options(options) + "\n"
    if command.epilog:
        text += _example(command.epilog)
    return text


def _words(command: Any) -> str:
    """A command's help; paragraphs that keep their lines, as trees of files do, are set as they are."""
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(
        f"```text\n{each.removeprefix(chr(8)).strip(chr(10))}\n```" if each.startswith("\b") else each
        for each in paragraphs
    )


def _example(epilog: str) -> str:
    """What ends a command's help: its examples, a line each."""
    lines = textwrap.dedent(epilog).replace("Examples:", "").replace("Example:", "").strip().splitlines()
    return "```console\n" + "".join(f"$ {line.strip()}\n" for line in lines if line.strip()) + "```\n\n"


def _options(options: list[Any]) -> str:
    grouped: dict[str, list[Any]] = {}
    for each in options:
        grouped.setdefault(getattr(each, "rich_help_panel", None) or "", []).append(each)
    titles = {panel: f"**{panel}**\n\n" if panel and len(grouped) > 1 else "" for panel in grouped}
    return "\n".join(titles[panel] + _table(inside) for panel, inside in grouped.items())


def _table(options: list[Any]) -> str:
    rows = []
    for each in options:
        takes = f" {takes_of(each)}" if takes_of(each) else ""
        names = sorted((*each.opts, *each.secondary_opts), key=len)
        shown = ", ".join(f"`{name}{takes if name == names[-1] else ''}`" for name in names)
        rows.append((shown, _told(each), _default(each)))
    return table(("option", "", "default"), rows)


def _default(parameter: Any) -> str:
    """What is taken when it is left out: a value, or words where it depends on something."""
    default = default_of(parameter)
    if not default:
        return ""
    return cell(default) if " " in default else f"`{default}`"


def _told(parameter: Any) -> str:
    return cell(parameter.help or "")


def _summary(command: Any) -> str:
    """The first sentence of a command's help."""
    first = (command.help or "").split("\n\n")[0]
    return " ".join(first.split())
