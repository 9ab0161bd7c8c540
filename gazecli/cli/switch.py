"""`gaze switch PICTURE --schedule 2,4,3`: change the target while the model writes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.files import (
    PAGE_SUFFIXES,
    SUFFIXES,
    refuse_one_file_twice,
    save_page,
    save_trajectory,
    writable,
)
from gazecli.cli.inputs import choose_heads, load_model, open_picture, say_prepared
from gazecli.cli.options import (
    EVERY,
    MAX_NEW_TOKENS,
    PROMPT,
    SCOPE,
    TRAJECTORY,
    HeadOptions,
    ModelOptions,
    Page,
    PictureArgument,
    PictureOptions,
    ScopeName,
    SteeringOptions,
    Stream,
    with_help,
)
from gazecli.cli.output import Output
from gazecli.cli.progress import busy
from gazecli.cli.steer import streaming
from gazecli.cli.tables import print_facts, print_table
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import SwitchDocument
    from gazecli.reports.trajectory import Trajectory
    from gazecli.steering.switch import Narration

NAME = "switch"


@dataclass(frozen=True)
class SwitchOptions(SteeringOptions):
    """Steering that leaves the prompt alone, which all targets share."""

    scope: Annotated[ScopeName, SCOPE] = "answer"


@cli_command()
def command(
    output: Output,
    picture: PictureArgument,
    shown: PictureOptions,
    heads: HeadOptions,
    steering: SwitchOptions,
    model: ModelOptions,
    *,
    schedule: Annotated[
        str, typer.Option(help="Targets in order, e.g. 2,4,3,5,1,6; boxes are separated by ;")
    ],
    every: Annotated[int | None, EVERY] = None,
    at: Annotated[str | None, typer.Option(help="The token at which each target begins: 0,40,90")] = None,
    on: Annotated[Literal["sentence"] | None, typer.Option(help="A new target when a sentence ends.")] = None,
    prompt: Annotated[str | None, with_help(PROMPT, "The request; the paper's by default.")] = None,
    max_new_tokens: Annotated[
        int | None, with_help(MAX_NEW_TOKENS, "The longest text; as long as the schedule when left out.")
    ] = None,
    trajectory: Annotated[Path | None, TRAJECTORY] = None,
    page: Page = None,
    stream: Stream = False,
) -> None:
    """Change what is described while the model writes.

    Example: gaze switch strip.png --schedule 2,4,3 --trajectory steps.png
    """
    if stream and output.format == "json":
        raise UsageError("--stream cannot matter in JSON", hint="add --format human, or leave --stream out")
    writable(trajectory, "--trajectory", SUFFIXES, unlike=picture)
    writable(page, "--page", PAGE_SUFFIXES, unlike=picture)
    refuse_one_file_twice(trajectory, page)
    seen = open_picture(picture, shown)
    from gazecli.steering.schedule import parse_targets, plan

    timetable = plan(parse_targets(schedule, seen), every=every, at=at, on=on)
    aim = choose_heads(output, heads)
    from gazecli.reports.steering import Provenance, switch_document
    from gazecli.steering.steer import SteerSettings
    from gazecli.steering.switch import DYNAMIC_PROMPT, switch

    longest = timetable.most_tokens if max_new_tokens is None else max_new_tokens
    settings = SteerSettings(
        DYNAMIC_PROMPT if prompt is None else prompt, max_new_tokens=longest, **vars(steering)
    )
    settings.check()
    timetable.check_length(longest)
    vlm = load_model(output, aim, model)
    with nullcontext() if stream else busy(output, "narrating"):
        written = switch(
            vlm,
            seen,
            timetable,
            aim.heads,
            settings,
            max_new_tokens=longest,
            on_token=streaming(output, vlm, 0) if stream else None,
        )
    if stream:
        output.out.print("\n")
    say_prepared(output, "picture was", written.layout.prepared)
    provenance = Provenance(aim.headset.digest, aim.score)
    files = [str(path) if path else None for path in (trajectory, page)]
    document = switch_document(vlm, written, provenance, *files)
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_narration

        save_page(document, scene_of_narration(written), f"Narration of {vlm.name}, switched", page)
    if trajectory is not None:
        save_trajectory(_trajectory(written), document, trajectory)
    output.result(document, lambda console: _show(console, document))


def _trajectory(written: Narration) -> Trajectory:
    from gazecli.reports.trajectory import Trajectory

    return Trajectory(
        steps=written.trajectory,
        numbers=[region.number for region in written.regions],
        targets=[(s.start, s.end, s.region.number) for s in written.segments],
        pieces=written.pieces,
    )


def _show(console: Console, document: SwitchDocument) -> None:
    rows: list[list[object]] = [
        [segment.region, f"{segment.start}-{segment.end}", segment.text] for segment in document.segments
    ]
    print_table(console, ">target >tokens text", rows)
    settings = document.settings
    heads = f"top {settings.top} by {settings.score} of {document.headset[:19]}"
    console.print()
    facts = {
        "heads": heads,
        "model": document.model.name,
        "trajectory": document.trajectory_file,
        "page": document.page,
    }
    print_facts(console, dict(facts))
