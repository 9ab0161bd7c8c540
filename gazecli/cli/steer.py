"""`gaze steer PICTURE… --region SPEC`: describe a region by redirecting the gaze heads.

One picture gives one document; several, or the jobs of a file, are `many_pictures`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.files import check_files, is_stdout, save_page
from gazecli.cli.inputs import (
    choose_heads,
    load_model,
    most_pixels,
    note_prepared,
    open_picture,
    warn_of_sharing,
    warn_of_toy,
)
from gazecli.cli.many_pictures import JOBS, LINES, Jobs, steer_pictures
from gazecli.cli.options import (
    HeadOptions,
    ModelOptions,
    PictureOptions,
    SteeringOptions,
    number_or_auto,
)
from gazecli.cli.output import Output, check_stream, generating
from gazecli.cli.tables import print_answers, print_provenance
from gazecli.errors import UsageError, cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import SteerDocument

NAME = "steer"


@cli_command()
def command(
    output: Output,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURE...", help="Picture files, - for standard input, comic folders."),
    ] = None,
    *,
    shown: PictureOptions,
    heads: HeadOptions,
    steering: SteeringOptions,
    model: ModelOptions,
    region: Annotated[list[str] | None, options.REGION] = None,
    all_regions: Annotated[bool, typer.Option("--all-regions", help="Every panel in turn.")] = False,
    prompt: Annotated[str | None, options.PROMPT] = None,
    max_new_tokens: Annotated[int, options.MAX_NEW_TOKENS] = 64,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Leave the unsteered answer out.")
    ] = False,
    heatmap: Annotated[Path | None, options.HEATMAP] = None,
    page: options.Page = None,
    stream: options.Stream = False,
    jobs: Annotated[str | None, JOBS] = None,
    destination: Annotated[Path | None, LINES] = None,
    force: options.ForceFiles = False,
) -> None:
    """Describe a region by turning the gaze heads there.

    Several pictures, or --jobs, load the model once and give a line of JSON each, as soon as it is done.

    Example: gaze steer strip.png --region 3 --heatmap attention.png
    """
    named = pictures or []
    destination = None if is_stdout(destination) else destination
    if not named and jobs is None:
        raise UsageError("missing argument 'PICTURE'", hint="name a picture, or --jobs FILE")
    if jobs is not None or destination is not None or len(named) > 1:
        for name, value in {"heatmap": heatmap, "page": page, "stream": stream}.items():
            if value:
                raise cannot_matter(name, "with many pictures", "steer one picture at a time for it")
        steer_pictures(
            output,
            named,
            Jobs(jobs, destination, force),
            choose_heads(output, heads, model),
            model,
            {
                "region": region or None,
                "all_regions": all_regions,
                "panels": shown.panels,
                "regions": shown.regions,
                "rtl": shown.rtl,
                "spread": shown.spread,
                "max_pixels": most_pixels(shown),
                "max_new_tokens": max_new_tokens,
                "no_baseline": no_baseline,
                "top": number_or_auto(heads.top, "--top") or "auto",
                "score": heads.score,
                "no_squash": model.no_squash,
                "image_tokens": model.image_tokens,
                **({} if prompt is None else {"prompt": prompt}),
                **vars(steering),
            },
        )
        return
    [picture] = named
    check_stream(output, stream)
    if stream and (all_regions or len(region or []) > 1):
        raise UsageError("--stream prints one answer", hint="ask for one region")
    check_files(picture, force=force, heatmap=heatmap, page=page)
    opened = open_picture(output, picture, shown)
    targets = opened.targets(region or (), all_regions, or_whole=steering.mode == "blind")
    chosen = choose_heads(output, heads, model)
    from gazecli.reports.steering import steer_document
    from gazecli.steering.settings import SteerSettings, question_for
    from gazecli.steering.steer import steer_regions

    question = question_for(opened, targets) if prompt is None else prompt
    settings = SteerSettings(question, max_new_tokens=max_new_tokens, **steering.keywords(chosen.headset))
    settings.check()
    vlm = load_model(output, chosen, model)
    warn_of_toy(output, vlm, opened)
    # Row 0 is the baseline.
    with generating(output, "steering", stream, vlm.decode, row=1) as on_token:
        steered = steer_regions(
            vlm,
            opened,
            targets,
            chosen.heads,
            settings,
            with_baseline=not no_baseline,
            on_token=on_token,
            with_maps=page is not None,
        )
    note_prepared(output, "picture was", steered.layout.prepared)
    warn_of_sharing(output, steered)
    if heatmap is not None:
        from gazecli.reports.files import save_heatmap
        from gazecli.reports.heatmap import heatmap_of_steering

        save_heatmap(heatmap_of_steering(steered), heatmap)
    document = steer_document(vlm, steered, chosen.headset.digest, chosen.score, heatmap=heatmap, page=page)
    if page is not None:
        from gazecli.reports.page.scenes import scene_of_steering

        save_page(document, scene_of_steering(steered), f"Answers of {vlm.name}, steered", page)
    output.result(document, lambda console: _show(console, document, streamed=stream))


def _show(console: Console, document: SteerDocument, *, streamed: bool) -> None:
    print_answers(console, document, streamed=streamed)
    print_provenance(console, document, heatmap=document.heatmap, page=document.page)
