"""`gaze track PICTURE`: where the heads look while the model writes freely."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.files import (
    PAGE_SUFFIXES,
    SUFFIXES,
    refuse_one_file_twice,
    save_page,
    save_picture,
    save_trajectory,
    writable,
)
from gazecli.cli.inputs import Aim, choose_heads, load_model, open_picture, say_prepared, targets_of
from gazecli.cli.options import (
    HEATMAP,
    MAX_NEW_TOKENS,
    PROMPT,
    REGION,
    TRAJECTORY,
    HeadOptions,
    ModelOptions,
    Page,
    PictureArgument,
    PictureOptions,
    Stream,
    with_help,
)
from gazecli.cli.output import Output
from gazecli.cli.progress import busy
from gazecli.cli.steer import streaming
from gazecli.cli.tables import print_facts, print_table
from gazecli.errors import RegionError, UsageError

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from gazecli.evaluation.conditions import Condition
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region
    from gazecli.reports.documents.results import TrackDocument
    from gazecli.reports.trajectory import Trajectory
    from gazecli.steering.spans import Span
    from gazecli.steering.track import Tracking

NAME = "track"


@cli_command()
def command(
    output: Output,
    picture: PictureArgument,
    shown: PictureOptions,
    heads: HeadOptions,
    model: ModelOptions,
    *,
    span: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS", help='Words of the text, e.g. "red cat": where did the heads look there?'
        ),
    ] = None,
    heatmap: Annotated[
        Path | None,
        with_help(HEATMAP, "Paint the attention of each --span, or of all the text, into a PNG file."),
    ] = None,
    trajectory: Annotated[Path | None, TRAJECTORY] = None,
    page: Page = None,
    region: Annotated[
        list[str] | None, with_help(REGION, "Watch this region too; written as for steer.")
    ] = None,
    prompt: Annotated[str | None, with_help(PROMPT, "The request; the paper's by default.")] = None,
    max_new_tokens: Annotated[int, with_help(MAX_NEW_TOKENS, "The longest text, in tokens.")] = 256,
    stream: Stream = False,
) -> None:
    """Watch where the heads look while the model writes freely; nothing is steered.

    A look is attention weighted by the norms of the value vectors. Beside the gaze heads stand five draws of
    as many others from the same layers.

    Example: gaze track strip.png --span "red cat" --heatmap attention.png
    """
    if stream and output.format == "json":
        raise UsageError("--stream cannot matter in JSON", hint="add --format human, or leave --stream out")
    writable(heatmap, "--heatmap", (".png",), unlike=picture)
    writable(trajectory, "--trajectory", SUFFIXES, unlike=picture)
    writable(page, "--page", PAGE_SUFFIXES, unlike=picture)
    refuse_one_file_twice(heatmap, trajectory, page)
    wanted = list(span or [])
    seen = open_picture(picture, shown)
    also = targets_of(seen, region, all_regions=False) if region else []
    _check_regions(seen, also, trajectory)
    from gazecli.steering.spans import check_spans, find_span
    from gazecli.steering.steer import check_request
    from gazecli.steering.track import TRACKING_PROMPT, track

    check_spans(wanted)
    asked = TRACKING_PROMPT if prompt is None else prompt
    check_request(asked, max_new_tokens)
    aim = choose_heads(output, heads)
    draws = _controls(output, aim)
    vlm = load_model(output, aim, model)
    with busy(output, "watching"):
        tracking = track(
            vlm,
            seen,
            aim.heads,
            asked,
            controls=[draw.heads for draw in draws],
            also=also,
            max_new_tokens=max_new_tokens,
            on_token=streaming(output, vlm, 0) if stream else None,
        )
    if stream:
        output.out.print("\n")
    say_prepared(output, "picture was", tracking.layout.prepared)
    spans = [find_span(tracking.pieces, words) for words in wanted]
    _say_ambiguous(output, spans)
    document = _document(vlm, tracking, aim, draws, spans, [trajectory, heatmap, page])
    if heatmap is not None:
        save_picture(_painted(tracking, spans), heatmap)
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_tracking

        save_page(document, scene_of_tracking(tracking), f"Attention of {vlm.name} while it writes", page)
    if trajectory is not None:
        save_trajectory(_trajectory(tracking), document, trajectory)
    output.result(document, lambda console: _show(console, document, streamed=stream))


def _check_regions(picture: Picture, also: Sequence[Region], trajectory: Path | None) -> None:
    if trajectory is not None and not picture.regions and not also:
        raise RegionError(
            "--trajectory needs regions, and no panels were found",
            subject=picture.name,
            hint="say where they are: --panels 6, --panels 2x3, --regions FILE.json or --region SPEC",
        )


def _controls(output: Output, aim: Aim) -> list[Condition]:
    from gazecli.evaluation.conditions import CONTROLS, controls_for

    draws = controls_for(aim.headset, len(aim.heads), aim.score)
    if len(draws) < CONTROLS:
        output.note(f"{len(draws)} of {CONTROLS} controls: there are no other heads to draw")
    return draws


def _say_ambiguous(output: Output, spans: Sequence[Span]) -> None:
    for span in spans:
        if span.occurrences > 1:
            output.note(f"the text holds {span.wanted!r} {span.occurrences} times; the first is shown")


def _document(
    vlm: VLM,
    tracking: Tracking,
    aim: Aim,
    draws: Sequence[Condition],
    spans: Sequence[Span],
    files: Sequence[Path | None],
) -> TrackDocument:
    from gazecli.reports.steering import Provenance, Written, track_document

    written = Written(*(str(path) if path else None for path in files))
    seeds = [draw.seed or 0 for draw in draws]
    return track_document(vlm, tracking, Provenance(aim.headset.digest, aim.score), seeds, spans, written)


def _painted(tracking: Tracking, spans: Sequence[Span]) -> Image.Image:
    from gazecli.reports.heatmap import AttentionMap, heatmap_image

    places = [(f'"{span.text}"', span.start, span.end) for span in spans]
    maps = []
    for words, start, end in places or [("the whole text", 0, tracking.tokens)]:
        maps.append(AttentionMap(tracking.mean_map(start, end), f"{words}: gaze heads"))
        if tracking.controls:
            maps.append(AttentionMap(tracking.mean_map(start, end, controls=True), f"{words}: control heads"))
    return heatmap_image(tracking.picture.image, tracking.layout.boxes.numpy(), maps)


def _trajectory(tracking: Tracking) -> Trajectory:
    from gazecli.reports.trajectory import Trajectory

    steps = tracking.trajectories()
    return Trajectory(
        steps=steps[0],
        numbers=[region.number for region in tracking.regions],
        targets=[],
        pieces=tracking.pieces,
        controls=steps[1:].mean(0) if len(steps) > 1 else None,
        breaks=[start for start, _ in tracking.sentences()[1:]],
    )


def _show(console: Console, document: TrackDocument, *, streamed: bool) -> None:
    rows: list[list[object]] = [
        [s.region, _share(s.gaze), _share(s.control), "" if streamed else s.text] for s in document.sentences
    ]
    print_table(console, ">looked_at >gaze >control text", rows)
    parts = [(span.text, span.pointing) for span in document.spans] or [("whole text", document.pointing)]
    places: list[list[object]] = [
        [told, p.region, _share(p.area), _share(p.gaze), f"{p.gaze_ratio:.2f}", _share(p.control_ratio)]
        for told, pointing in parts
        for p in pointing
    ]
    if places:
        console.print()
        print_table(console, "look >region >area >gaze >gaze/area >control/area", places)
    console.print()
    settings = document.settings
    facts = {
        "heads": f"top {settings.top} by {settings.score} of {document.headset[:19]}",
        "model": document.model.name,
        "heatmap": document.heatmap,
        "trajectory": document.trajectory_file,
        "page": document.page,
    }
    print_facts(console, dict(facts))


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
