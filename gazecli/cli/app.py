"""The command `gaze`: its commands, and the one way in and out.

Every command is in a file of its own. Nothing heavy is imported before a command needs it. Knows
nothing of what the commands do.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gazecli.cli import cache, comics, discover, doctor, models, report, schema, steer, switch, track
from gazecli.cli.failures import guarded
from gazecli.cli.manners import Format, Json, Quiet, Verbose, manners_of
from gazecli.cli.streams import has_colour, settle
from gazecli.version import VERSION

_LOOKING = "Finding and steering"
_AROUND = "Around it"


def build_app() -> typer.Typer:
    """The whole command line; its help is plain text where colour is not wanted."""
    app = _new_app("Find the gaze heads of a vision-language model, and steer where it looks.")
    app.callback()(_before_any_command)
    for module in (discover, steer, switch, track, report):
        app.command(module.NAME, rich_help_panel=_LOOKING)(module.command)
    for module in (comics, cache):
        group = _new_app(module.SUMMARY)
        for name, command in module.COMMANDS.items():
            group.command(name)(command)
        app.add_typer(group, name=module.NAME, rich_help_panel=_AROUND)
    for module in (models, doctor, schema):
        app.command(module.NAME, rich_help_panel=_AROUND)(module.command)
    return app


def run(arguments: list[str]) -> int:
    """Run one call of the command line and return its exit code."""
    settle()
    return guarded(lambda: _run(arguments), arguments)


def _run(arguments: list[str]) -> object:
    return build_app()(arguments or ["--help"], prog_name="gaze", standalone_mode=False)


def _new_app(summary: str) -> typer.Typer:
    return typer.Typer(
        help=summary,
        rich_markup_mode="rich" if has_colour(sys.stdout) else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"gaze {VERSION}\n")
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
) -> None:
    ctx.obj = manners_of(ctx, _format, _json, _quiet, _verbose)
