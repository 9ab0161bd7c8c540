"""`gaze track PICTURE`: where the heads look while the model writes freely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from gazecli.cli.options import HeadOptions, ModelOptions, PictureOptions, with_help
from gazecli.cli.output import Output, check_stream, generating
from gazecli.cli.tables import print_provenance, print_table, region_names
from gazecli.errors import RegionError
from gazecli.steering.settings import TRACKING_PROMPT

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import TrackDocument

NAME = "track"


@cli_command()
def command(
    output: Output,
    picture: options.PictureArgument,
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
        with_help(options.HEATMAP, "Paint each --span's attention, or all the text's: .png, .svg or .pdf."),
    ] = None,
    trajectory: Annotated[Path | None, options.TRAJECTORY] = None,
    dpi: Annotated[int | None, options.DPI] = None,
    page: options.Page = None,
    force: options.ForceFiles = False,
    region: Annotated[
        list[str] | None, with_help(options.REGION, "Watch this region too; written as for steer.")
    ] = None,
    prompt: Annotated[str | None, with_help(options.PROMPT, "The request.", default=TRACKING_PROMPT)] = None,
    max_new_tokens: Annotated[int, with_help(options.MAX_NEW_TOKENS, "The longest text, in tokens.")] = 256,
    stream: options.Stream = False,
) -> None:
    """Record where the heads look while the model writes freely; nothing is steered.

    Attention is weighted by the norms of the value vectors. For comparison stand beside the gaze heads five
    draws of as many other heads from the same layers.

    Example: gaze track strip.png --span "red cat" --heatmap attention.png
    """
    check_stream(output, stream)
    check_dpi(dpi, is_png(trajectory), "--trajectory *.png")
    check_files(picture, force=force, heatmap=heatmap, trajectory=trajectory, page=page)
    opened = open_picture(output, picture, shown)
    also = opened.targets(region) if region else []
    if trajectory is not None and not opened.regions and not also:
        raise RegionError(
            "--trajectory needs regions, and no panels were found",
            subject=opened.name,
            hint="say where they are: --panels 6, --panels 2x3, --regions FILE.json or --region SPEC",
        )
    from gazecli.evaluation.conditions import CONTROLS, controls_for
    from gazecli.reports.steering import track_document
    from gazecli.steering.settings import check_request
    from gazecli.steering.track import check_spans, find_span, track

    check_spans(span or [])
    request = TRACKING_PROMPT if prompt is None else prompt
    check_request(request, max_new_tokens)
    chosen = choose_heads(output, heads, model)
    controls = controls_for(chosen.headset, len(chosen.heads), chosen.score)
    if len(controls) < CONTROLS:
        output.note(f"{len(controls)} of {CONTROLS} controls: there are no other heads to draw")
    vlm = load_model(output, chosen, model)
    warn_of_toy(output, vlm, opened)
    with generating(output, "tracking", stream, vlm.decode) as on_token:
        tracking = track(
            vlm,
            opened,
            chosen.heads,
            request,
            controls=[control.heads for control in controls],
            also=also,
            max_new_tokens=max_new_tokens,
            on_token=on_token,
        )
    note_prepared(output, "picture was", tracking.layout.prepared)
    warn_of_sharing(output, tracking)
    spans = [find_span(tracking.pieces, words) for words in span or []]
    for found in spans:
        if found.occurrences > 1:
            output.note(f"the text holds {found.wanted!r} {found.occurrences} times; the first is shown")
    document = track_document(
        vlm,
        tracking,
        chosen.headset.digest,
        chosen.score,
        [control.seed or 0 for control in controls],
        spans,
        trajectory_file=trajectory,
        heatmap=heatmap,
        page=page,
    )
    if heatmap is not None:
        from gazecli.reports.files import save_heatmap
        from gazecli.reports.heatmap import heatmap_of_tracking

        save_heatmap(heatmap_of_tracking(tracking, spans), heatmap)
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_tracking

        save_page(document, scene_of_tracking(tracking), f"Attention of {vlm.name} while it writes", page)
    if trajectory is not None:
        from gazecli.reports.files import save_trajectory
        from gazecli.reports.trajectory import trajectory_of_tracking

        save_trajectory(trajectory_of_tracking(tracking), document, trajectory, dpi)
    output.result(document, lambda console: _show(console, document, streamed=stream))


def _show(console: Console, document: TrackDocument, *, streamed: bool) -> None:
    names = region_names(document)
    rows: list[list[object]] = [
        [
            None if s.region is None else names[s.region],
            _share(s.gaze),
            _share(s.control),
            "" if streamed else s.text,
        ]
        for s in document.sentences
    ]
    print_table(console, ">looked_at >gaze >control text", rows)
    parts = [(span.text, span.pointing) for span in document.spans] or [("whole text", document.pointing)]
    pointed: list[list[object]] = [
        [
            text,
            names[p.region],
            _share(p.area),
            _share(p.gaze),
            f"{p.gaze_ratio:.2f}",
            _share(p.control_ratio),
        ]
        for text, pointing in parts
        for p in pointing
    ]
    if pointed:
        console.print()
        print_table(console, "part >region >area >gaze >gaze/area >control/area", pointed)
    print_provenance(
        console, document, heatmap=document.heatmap, trajectory=document.trajectory_file, page=document.page
    )


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
