"""The command line `gaze`, built from its commands.

Every command is in a file of its own, and a call that names one imports no other. Nothing heavy is
imported before a command needs it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from gazecli.cli.command import Format, Help, Json, Quiet, Verbose, output_options_of
from gazecli.cli.errors import guarded
from gazecli.cli.output import prepare_streams
from gazecli.version import VERSION

_MAIN_PANEL, _OTHER_PANEL = "Finding and steering", "Around it"
# The page of the documentation that says more about a command.
PAGES = {
    "discover": "find-heads",
    "steer": "steering",
    "switch": "steering",
    "track": "reading-the-figures",
    "evaluate": "evaluating",
    "judge": "writing-a-judge",
    "report": "reading-the-figures",
    "serve": "serving",
    "comics": "your-own-comics",
    "cache": "settings",
    "panels": "finding-panels",
    "push": "sharing-head-sets",
    "pull": "sharing-head-sets",
    "models": "which-checkpoints-work",
    "doctor": "troubleshooting",
    "schema": "settings",
}
# Each is a module beside this one. Help lists them in this order, groups behind the others.
MAIN = ("discover", "steer", "switch", "track", "evaluate", "judge", "report", "serve")
GROUPS = ("comics", "cache")
NAMES = (*MAIN, "panels", "push", "pull", *GROUPS, "models", "doctor", "schema")


def build_app(names: Sequence[str] = NAMES) -> typer.Typer:
    """The command line with the commands `names`."""
    app = _new_app("Find the gaze heads of a vision-language model, and steer where it looks.")
    app.callback()(_before_any_command)
    for name in names:
        module = import_module(f"gazecli.cli.{name}")
        panel = _MAIN_PANEL if name in MAIN else _OTHER_PANEL
        if name in GROUPS:
            group = _new_app(module.SUMMARY)
            group.callback()(_before_a_group)
            for command in module.COMMANDS:
                _add(group, command.__name__.rstrip("_"), command, PAGES[name])
            app.add_typer(group, name=module.NAME, rich_help_panel=panel)
        else:
            _add(app, module.NAME, module.command, PAGES[name], panel)
    return app


def _add(
    app: typer.Typer, name: str, command: Callable[..., None], page: str, panel: str | None = None
) -> None:
    """Add `command`; the example that ends its docstring ends its help, behind the options."""
    text, _, example = (inspect.getdoc(command) or "").partition("\n\nExample: ")
    # Each paragraph on one line, for the help to be wrapped at the width of the terminal; one that begins
    # with a backspace keeps its lines.
    lines = "\n\n".join(
        paragraph if paragraph.startswith("\b") else " ".join(paragraph.split())
        for paragraph in text.split("\n\n")
    )
    lines = f"{lines}\n\nMore: docs/{page}.md"
    app.command(name, help=lines, epilog=f"Example: {example}", rich_help_panel=panel, add_help_option=False)(
        command
    )


def needed(arguments: Sequence[str]) -> Sequence[str]:
    """The command that `arguments` name; all where they name none, for help and for suggestions."""
    named = next((word for word in arguments if not word.startswith("-")), None)
    return (named,) if named in NAMES else NAMES


def run(arguments: list[str]) -> int:
    """Run one call of the command line and return its exit code."""

    def call() -> object:
        app = build_app(needed(arguments))
        return app(arguments or ["--help"], prog_name="gaze", standalone_mode=False)

    prepare_streams()
    return guarded(call, arguments)


def _new_app(summary: str) -> typer.Typer:
    return typer.Typer(
        help=summary,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_help_option=False,  # its --help would know no groups in a pipe, and say defaults in two ways
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"gaze {VERSION}\n")
        raise typer.Exit


def _print_skill(wanted: bool) -> None:
    if wanted:
        from gazecli.cli.skill import guide

        sys.stdout.write(guide(NAMES))
        raise typer.Exit


def _before_any_command(
    ctx: typer.Context,
    _format: Format = None,
    _json: Json = False,
    _quiet: Quiet = False,
    _verbose: Verbose = 0,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    _skill: Annotated[
        bool,
        typer.Option(
            "--skill", callback=_print_skill, is_eager=True, help="Print a guide for language models."
        ),
    ] = False,
    _help: Help = False,
) -> None:
    ctx.obj = output_options_of(ctx, _format, _json, _quiet, _verbose)


def _before_a_group(_help: Help = False) -> None:
    """A group takes --help and nothing else."""
