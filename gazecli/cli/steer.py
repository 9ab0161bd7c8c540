"""`gaze steer PICTURE --region SPEC`: describe a region by redirecting the gaze heads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.files import PAGE_SUFFIXES, refuse_one_file_twice, save_page, save_picture, writable
from gazecli.cli.inputs import Aim, choose_heads, load_model, open_picture, say_prepared, targets_of
from gazecli.cli.options import (
    HEATMAP,
    MAX_NEW_TOKENS,
    PROMPT,
    REGION,
    HeadOptions,
    ModelOptions,
    Page,
    PictureArgument,
    PictureOptions,
    SteeringOptions,
    Stream,
)
from gazecli.cli.output import Output
from gazecli.cli.progress import busy
from gazecli.cli.tables import print_facts, print_table
from gazecli.errors import UsageError
from gazecli.plain_text import visible

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from gazecli.models.vlm import VLM
    from gazecli.reports.documents.results import SteerDocument
    from gazecli.steering.steer import Steering

NAME = "steer"


@cli_command()
def command(
    output: Output,
    picture: PictureArgument,
    shown: PictureOptions,
    heads: HeadOptions,
    steering: SteeringOptions,
    model: ModelOptions,
    *,
    region: Annotated[list[str] | None, REGION] = None,
    all_regions: Annotated[bool, typer.Option("--all-regions", help="Every panel in turn.")] = False,
    prompt: Annotated[str | None, PROMPT] = None,
    max_new_tokens: Annotated[int, MAX_NEW_TOKENS] = 64,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Leave the unsteered answer out.")
    ] = False,
    heatmap: Annotated[Path | None, HEATMAP] = None,
    page: Page = None,
    stream: Stream = False,
) -> None:
    """Describe a region by turning the gaze heads there.

    Example: gaze steer strip.png --region 3 --heatmap attention.png
    """
    _check_streaming(output, stream, region, all_regions)
    writable(heatmap, "--heatmap", (".png",), unlike=picture)
    writable(page, "--page", PAGE_SUFFIXES, unlike=picture)
    refuse_one_file_twice(heatmap, page)
    seen = open_picture(picture, shown)
    targets = targets_of(seen, region, all_regions)
    aim = choose_heads(output, heads)
    from gazecli.steering.steer import STATIC_PROMPT, SteerSettings, steer_regions

    settings = SteerSettings(
        STATIC_PROMPT if prompt is None else prompt, max_new_tokens=max_new_tokens, **vars(steering)
    )
    settings.check()
    vlm = load_model(output, aim, model)
    with nullcontext() if stream else busy(output, "steering"):
        steered = steer_regions(
            vlm,
            seen,
            targets,
            aim.heads,
            settings,
            with_baseline=not no_baseline,
            on_token=streaming(output, vlm, 1) if stream else None,
            with_maps=page is not None,
        )
    if stream:
        output.out.print()
    say_prepared(output, "picture was", steered.layout.prepared)
    if heatmap is not None:
        save_picture(_painted(steered), heatmap)
    document = _document(vlm, steered, aim, heatmap, page)
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_steering

        save_page(document, scene_of_steering(steered), f"Answers of {vlm.name}, steered", page)
    output.result(document, lambda console: _show(console, document, streamed=stream))


def streaming(output: Output, vlm: VLM, row: int) -> Callable[[int, list[list[int]]], None]:
    """Print what row `row` says as it grows."""
    said = ""

    def on_token(_step: int, written: list[list[int]]) -> None:
        nonlocal said
        text = vlm.decode(written[row])
        # A character of several tokens shows as a replacement mark until it is whole.
        if text.startswith(said) and not text.endswith("\ufffd"):
            output.out.file.write(visible(text[len(said) :], lines=True))
            output.out.file.flush()
            said = text

    return on_token


def _check_streaming(output: Output, stream: bool, region: list[str] | None, all_regions: bool) -> None:
    if stream and output.format == "json":
        raise UsageError("--stream cannot matter in JSON", hint="add --format human, or leave --stream out")
    if stream and (all_regions or len(region or []) > 1):
        raise UsageError("--stream prints one answer", hint="ask for one region")


def _painted(steering: Steering) -> Image.Image:
    from gazecli.reports.heatmap import AttentionMap, heatmap_image

    boxes = steering.layout.boxes.numpy()
    maps = [AttentionMap(steering.baseline_rows.mean(0), f"unsteered: {steering.baseline or ''}")]
    maps += [
        AttentionMap(answer.rows.mean(0), f"region {answer.region.number}: {answer.text}", answer.region.box)
        for answer in steering.answers
    ]
    return heatmap_image(steering.picture.image, boxes, maps)


def _document(
    vlm: VLM, steering: Steering, aim: Aim, heatmap: Path | None, page: Path | None
) -> SteerDocument:
    from gazecli.reports.steering import Provenance, steer_document

    provenance = Provenance(aim.headset.digest, aim.score)
    files = [str(path) if path else None for path in (heatmap, page)]
    return steer_document(vlm, steering, provenance, *files)


def _show(console: Console, document: SteerDocument, *, streamed: bool) -> None:
    rows: list[list[object]] = []
    for answer in document.answers:
        moved = answer.attention_on_region
        text = "" if streamed else answer.text
        rows.append([answer.region, text, f"{moved.baseline:.2f} \u2192 {moved.steered:.2f}"])
    if document.baseline is not None:
        rows.append(["-", document.baseline.text, "unsteered"])
    print_table(console, ">region answer attention_on_it", rows)
    model, settings = document.model, document.settings
    heads = f"top {settings.top} by {settings.score} of {document.headset[:19]}"
    facts = {"heads": heads, "model": model.name, "heatmap": document.heatmap, "page": document.page}
    console.print()
    print_facts(console, dict(facts))
