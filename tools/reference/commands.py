"""A page for each command, read from the Typer application."""

from __future__ import annotations

import textwrap
from typing import Any

from typer.main import get_command

from gazecli.cli.app import GROUPS, build_app
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
    everywhere = _options([each for each in app.params if set(each.opts) & shown])
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
    usage = " ".join([words, *(["[OPTIONS]"] if options else []), *map(_place, arguments)])
    anchor = f" {{ #{words.replace(' ', '-')} }}" if heading == "##" else ""
    text = f"{heading} {words}{anchor}\n\n{_words(command)}\n\n```text\n{usage}\n```\n\n"
    if arguments:
        text += table(("argument", ""), [(f"`{_metavar(each)}`", _told(each)) for each in arguments]) + "\n"
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
    grouped: dict[str, list[tuple[str, ...]]] = {}
    for each in options:
        takes = "" if each.is_flag or each.count else f" {_metavar(each)}"
        names = sorted((*each.opts, *each.secondary_opts), key=len)
        shown = ", ".join(f"`{name}{takes if name == names[-1] else ''}`" for name in names)
        default = f"`{each.default}`" if _has_default(each) else ""
        panel = getattr(each, "rich_help_panel", None) or ""
        grouped.setdefault(panel, []).append((shown, _told(each), default))
    text = ""
    for panel, rows in grouped.items():
        text += (
            (f"**{panel}**\n\n" if panel and len(grouped) > 1 else "")
            + table(("option", "", "default"), rows)
            + "\n"
        )
    return text


def _has_default(option: Any) -> bool:
    is_plain = isinstance(option.default, str | int | float) and not isinstance(option.default, bool)
    return is_plain and option.show_default is True and not option.count


def _place(argument: Any) -> str:
    name = _metavar(argument)
    return name if argument.required else f"[{name}]"


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return parameter.name.upper()
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", str)
    return {int: "N", float: "NUMBER", str: "TEXT"}.get(
        annotation, getattr(annotation, "__name__", "TEXT").upper()
    )


def _told(parameter: Any) -> str:
    return cell(parameter.help or "")


def _summary(command: Any) -> str:
    """The first sentence of a command's help."""
    first = (command.help or "").split("\n\n")[0]
    return " ".join(first.split())
