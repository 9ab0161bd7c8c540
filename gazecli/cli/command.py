"""What makes a function a command: the options of every command, groups of options, and the launch."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, get_args, get_origin

import typer

from gazecli.cli.errors import StdoutClosed
from gazecli.cli.options import hidden, with_help
from gazecli.cli.output import Output, OutputOptions
from gazecli.distributed.launcher import current_launch, leave_launch

Arguments = ParamSpec("Arguments")
HIDDEN = "hidden"

_EVERYWHERE = "Every command"


def _show_help(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:  # which is what completion does
        from gazecli.cli.help_page import write_help

        write_help(ctx)
        raise typer.Exit


_FORMAT = typer.Option(
    "--format",
    metavar="FORMAT",
    help="human, json, or auto.",
    show_default="auto: human on a terminal, JSON in a pipe",
    rich_help_panel=_EVERYWHERE,
)
Format = Annotated[Literal["auto", "human", "json"] | None, _FORMAT]
PageFormat = Annotated[
    Literal["auto", "human", "json", "html", "markdown", "csv", "latex"] | None,
    with_help(
        _FORMAT,
        "human, json, html, markdown, csv, latex, or auto.",
        panel=_EVERYWHERE,
        default="auto: human on a terminal, JSON in a pipe",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=_EVERYWHERE)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no notes.", rich_help_panel=_EVERYWHERE)
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        show_default=False,
        help="Say more; -vv adds tracebacks.",
        rich_help_panel=_EVERYWHERE,
    ),
]
Help = Annotated[
    bool,
    typer.Option(
        "--help",
        "-h",
        callback=_show_help,
        is_eager=True,
        help="Show this message and exit.",
        rich_help_panel=_EVERYWHERE,
    ),
]


def cli_command(
    *, shared: bool = False, pages: bool = False
) -> Callable[[Callable[Concatenate[Output, Arguments], None]], Callable[..., None]]:
    """Turn `command(output, …)` into what Typer wants: a function with --format, --json, -q, -v and -h.

    A parameter annotated with a dataclass whose fields are options becomes these options, and the command
    gets the dataclass filled; `Annotated[…, HIDDEN]` keeps them out of the help. `shared`: all launched
    processes run it, else the first alone. `pages`: the result may also be an HTML page, Markdown, CSV or
    LaTeX.
    """

    def decorate(command: Callable[Concatenate[Output, Arguments], None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        kinds = {each.name: get_args(each.annotation) or (each.annotation,) for each in own}
        groups: dict[str, Any] = {name: kind[0] for name, kind in kinds.items() if is_dataclass(kind[0])}
        taken = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own if each.name not in groups]
        for name, group in groups.items():
            taken += _options_of(group, is_hidden=HIDDEN in kinds[name])
        with_output: Callable[..., None] = command

        def run(ctx: typer.Context, **given: Any) -> None:
            flags = [given.pop(name) for name in ("_format", "_json", "_quiet", "_verbose")]
            given.pop("_help")
            output = output_options_of(ctx, *flags).output()
            if not shared and not works_alone(output):
                return
            for name, group in groups.items():
                given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
            try:
                with_output(output, **given)
            except BrokenPipeError as error:
                raise StdoutClosed from error

        for name, annotation, default in (
            ("ctx", typer.Context, Parameter.empty),
            ("_format", PageFormat if pages else Format, None),
            ("_json", Json, False),
            ("_quiet", Quiet, False),
            ("_verbose", Verbose, 0),
            ("_help", Help, False),
        ):
            taken.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
        taken = [each.replace(annotation=_with_metavar(each.annotation)) for each in taken]
        run.__name__ = command.__name__
        run.__doc__ = command.__doc__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
        run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        return run

    return decorate


_METAVARS: dict[object, str] = {int: "N", float: "NUMBER", str: "TEXT", Path: "FILE"}


def _with_metavar(annotation: Any) -> Any:
    """The annotation of an option that names what it takes as all others do: N, NUMBER, TEXT, FILE."""
    kind, *declared = get_args(annotation) or (annotation,)
    if get_origin(annotation) is not Annotated or not isinstance(declared[0], type(_FORMAT)):
        return annotation
    option = declared[0]
    takes = kind
    while get_origin(takes) not in (None, Literal):  # int | None, list[str] | None
        takes = next(each for each in get_args(takes) if each is not type(None))
    metavar = _METAVARS.get(takes)
    if option.metavar is not None or option.count or metavar is None:
        return annotation
    named = copy.copy(option)
    named.metavar, named.declared = metavar, getattr(option, "declared", option)
    return Annotated[kind, named]


def _options_of(group: type, *, is_hidden: bool) -> Iterator[Parameter]:
    annotations = {
        name: each for base in reversed(group.__mro__) for name, each in _annotations(base).items()
    }
    for field in fields(group):
        annotation = annotations[field.name]
        if is_hidden:
            kind, option = get_args(annotation)
            annotation = Annotated[kind, hidden(option)]
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)


@cache  # evaluated once, so that a group which several commands take declares its options once
def _annotations(group: type) -> dict[str, Any]:
    return inspect.get_annotations(group, eval_str=True)


def output_options_of(
    ctx: typer.Context, form: str | None, json: bool, quiet: bool, verbose: int
) -> OutputOptions:
    """The output options behind the command's name, joined with those before it."""
    here = OutputOptions(None if form == "auto" else form, json, quiet, verbose)
    return ctx.obj.joined(here) if isinstance(ctx.obj, OutputOptions) else here


def works_alone(output: Output) -> bool:
    """Whether this process does work that processes cannot share: the first does, as if started alone."""
    here = current_launch()
    if here.is_first and here.world_size > 1:
        leave_launch()
        output.note(f"this is not shared among processes: one of {here.world_size} does it, the others end")
    return here.is_first
