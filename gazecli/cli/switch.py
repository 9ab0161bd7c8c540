"""`gaze switch PICTURE --schedule 2,4,3`: change the target while the model writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.files import check_dpi, check_files, is_png, save_page
from gazecli.cli.inputs import (
    choose_heads,
    load_model,
    note_prepared,
    open_picture,
    warn_of_sharing,
    warn_of_toy,
)
from gazecli.cli.options import HeadOptions, ModelOptions, PictureOptions, SteeringOptions, with_help
from gazecli.cli.output import Output, check_stream, generating
from gazecli.cli.tables import print_provenance, print_table, region_names
from gazecli.steering.settings import DYNAMIC_PROMPT

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import SwitchDocument

NAME = "switch"


@dataclass(frozen=True)
class SwitchOptions(SteeringOptions):
    """Steering that leaves the prompt alone, which all targets share."""

    scope: Annotated[options.ScopeName, options.SCOPE] = "answer"


@cli_command()
def command(
    output: Output,
    picture: options.PictureArgument,
    shown: PictureOptions,
    heads: HeadOptions,
    steering: SwitchOptions,
    model: ModelOptions,
    *,
    schedule: Annotated[
        str,
        typer.Option(
            metavar="TARGETS",
            help="Targets in order, e.g. 2,4,3,5,1,6; boxes and circles are separated by ;",
        ),
    ],
    every: Annotated[int | None, options.EVERY] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TOKENS", help="The token at which each target begins: 0,40,90"),
    ] = None,
    on: Annotated[
        Literal["sentence"] | None,
        typer.Option(metavar="EVENT", help="sentence: a new target when one ends."),
    ] = None,
    prompt: Annotated[str | None, with_help(options.PROMPT, "The request.", default=DYNAMIC_PROMPT)] = None,
    max_new_tokens: Annotated[
        int | None,
        with_help(options.MAX_NEW_TOKENS, "The longest text, in tokens.", default="as long as the schedule"),
    ] = None,
    trajectory: Annotated[Path | None, options.TRAJECTORY] = None,
    dpi: Annotated[int | None, options.DPI] = None,
    page: options.Page = None,
    force: options.ForceFiles = False,
    stream: options.Stream = False,
) -> None:
    """Change what is described while the model writes.

    Example: gaze switch strip.png --schedule 2,4,3 --trajectory steps.png
    """
    check_stream(output, stream)
    check_dpi(dpi, is_png(trajectory), "--trajectory *.png")
    check_files(picture, force=force, trajectory=trajectory, page=page)
    opened = open_picture(output, picture, shown)
    from gazecli.steering.schedule import parse_targets, plan

    planned = plan(parse_targets(schedule, opened), every=every, at=at, on=on)
    chosen = choose_heads(output, heads, model)
    from gazecli.reports.steering import switch_document
    from gazecli.steering.settings import SteerSettings
    from gazecli.steering.switch import narrate

    request = DYNAMIC_PROMPT if prompt is None else prompt
    longest = planned.most_tokens if max_new_tokens is None else max_new_tokens
    settings = SteerSettings(request, max_new_tokens=longest, **steering.keywords(chosen.headset))
    settings.check()
    planned.check_length(longest)
    vlm = load_model(output, chosen, model)
    warn_of_toy(output, vlm, opened)
    with generating(output, "narrating", stream, vlm.decode) as on_token:
        narration = narrate(
            vlm, opened, planned, chosen.heads, settings, max_new_tokens=longest, on_token=on_token
        )
    note_prepared(output, "picture was", narration.layout.prepared)
    warn_of_sharing(output, narration)
    document = switch_document(
        vlm, narration, chosen.headset.digest, chosen.score, trajectory_file=trajectory, page=page
    )
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_narration

        save_page(document, scene_of_narration(narration), f"Narration of {vlm.name}, switched", page)
    if trajectory is not None:
        from gazecli.reports.files import save_trajectory
        from gazecli.reports.trajectory import trajectory_of_narration

        save_trajectory(trajectory_of_narration(narration), document, trajectory, dpi)
    output.result(document, lambda console: _show(console, document))


def _show(console: Console, document: SwitchDocument) -> None:
    names = region_names(document)
    rows: list[list[object]] = [
        [names[segment.region], f"{segment.start}-{segment.end}", segment.text]
        for segment in document.segments
    ]
    print_table(console, ">target >tokens text", rows)
    print_provenance(console, document, trajectory=document.trajectory_file, page=document.page)
