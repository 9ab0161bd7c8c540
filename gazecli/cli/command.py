"""The options every command takes, given to every command in one way.

Knows nothing of what a command does with its output.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, Literal, ParamSpec

import typer

from gazecli.cli.errors import ReaderLeft
from gazecli.cli.output import Output, OutputOptions
from gazecli.distributed.launcher import current_launch, leave_launch

Arguments = ParamSpec("Arguments")

Format = Annotated[
    Literal["auto", "human", "json"] | None,
    typer.Option("--format", help="auto: human on a terminal, JSON in a pipe.", show_default=False),
]
PageFormat = Annotated[
    Literal["auto", "human", "json", "html", "markdown", "csv"] | None,
    typer.Option("--format", help="auto: human on a terminal, JSON in a pipe.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, metavar="", show_default=False, help="Say more; -vv adds tracebacks."
    ),
]


def command_with_output(command: Callable[Concatenate[Output, Arguments], None]) -> Callable[..., None]:
    """Turn `command(output, …)` into what Typer wants: a function with --format, --json, -q and -v.

    Of several launched processes the first alone runs it.
    """
    return _decorated(command, Format, is_shared=False)


def shared_command(command: Callable[Concatenate[Output, Arguments], None]) -> Callable[..., None]:
    """As `command_with_output`, for a command whose work all launched processes share."""
    return _decorated(command, Format, is_shared=True)


def page_command(command: Callable[Concatenate[Output, Arguments], None]) -> Callable[..., None]:
    """As `shared_command`, for a command whose result may also be an HTML page, Markdown or CSV."""
    return _decorated(command, PageFormat, is_shared=True)


def _decorated(
    command: Callable[Concatenate[Output, Arguments], None], formats: Any, *, is_shared: bool
) -> Callable[..., None]:
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    taken = [*own, *_extra_parameters(formats)]
    with_streams: Callable[..., None] = command

    def run(**given: Any) -> None:
        options = output_options_of(given.pop("ctx"), given.pop("_format"), *(given.pop(k) for k in _FLAGS))
        output = options.output()
        if not is_shared and not works_alone(output):
            return
        try:
            with_streams(output, **given)
        except BrokenPipeError as error:
            raise ReaderLeft from error

    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    return run


def output_options_of(
    ctx: typer.Context, form: str | None, json: bool, quiet: bool, verbose: int
) -> OutputOptions:
    """What was asked for here, joined with what was asked for before the command's name."""
    here = OutputOptions(None if form == "auto" else form, json, quiet, verbose)
    return ctx.obj.joined(here) if isinstance(ctx.obj, OutputOptions) else here


_FLAGS = ("_json", "_quiet", "_verbose")


def _extra_parameters(formats: Any) -> list[inspect.Parameter]:
    kinds: list[tuple[str, Any, Any]] = [
        ("ctx", typer.Context, inspect.Parameter.empty),
        ("_format", formats, None),
        ("_json", Json, False),
        ("_quiet", Quiet, False),
        ("_verbose", Verbose, 0),
    ]
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in kinds
    ]


def works_alone(output: Output) -> bool:
    """Whether this process is to do what processes cannot share: the first does it as if started alone.

    The others have nothing to do; that is said once.
    """
    here = current_launch()
    if here.is_first and here.world_size > 1:
        leave_launch()
        output.note(f"this is not shared among processes: one of {here.world_size} does it, the others end")
    return here.is_first


def writes() -> bool:
    """Whether this process writes what all have worked out."""
    return current_launch().is_first


def share_of(title: str) -> str:
    """The title of a progress bar, which counts the first process's share."""
    count = current_launch().world_size
    return title if count == 1 else f"{title} (process 1 of {count})"
