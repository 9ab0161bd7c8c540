"""`gaze discover MODEL COMICS`: score every attention head, keep the head set, print it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.inputs import fetching, note_prepared, note_template
from gazecli.cli.options import ModelOptions, number_or_auto, with_help
from gazecli.cli.output import Output, progress
from gazecli.cli.tables import bar, labelled, print_facts, print_table
from gazecli.distributed.launcher import current_launch
from gazecli.errors import cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.results import HeadSetDocument

NAME = "discover"
HEIGHT, GAP, SHOWN = 256, 6, 10
WHOLE_LAYOUTS = ("strips", "manifest")


@cli_command(shared=True)
def command(
    output: Output,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An alias, a Hugging Face id or a folder.")],
    comics: Annotated[Path, typer.Argument(metavar="COMICS", help="A folder of comics.")],
    loading: ModelOptions,
    *,
    samples: Annotated[int | None, options.SAMPLES] = None,
    panels: options.StripPanels = 6,
    height: Annotated[
        int | None, typer.Option(help=f"Pixels to which single panels are resized ({HEIGHT}).")
    ] = None,
    gap: Annotated[int | None, typer.Option(help=f"White pixels painted over a seam ({GAP}).")] = None,
    seed: Annotated[int, options.SEED] = 42,
    prompt: Annotated[
        str | None,
        with_help(
            options.PROMPT,
            "The question: {ordinal} is 1st, {ordinal_word} first, {number} 1, {count} six.",
        ),
    ] = None,
    layout: options.Layout = None,
    rtl: options.Rtl = False,
    spread: options.Spread = False,
    batch_size: Annotated[str, with_help(options.BATCH_SIZE, "Strips at a time: auto or a number.")] = "auto",
    top: Annotated[
        str, with_help(options.TOP, f"How many heads to show: auto ({SHOWN}) or a number.")
    ] = "auto",
    force: Annotated[bool, with_help(options.FORCE, "Compute again what is kept already.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show on stderr where the time went.")] = False,
    revision: options.Revision = None,
) -> None:
    """Score every attention head of a model on comics.

    The head set is kept: a second call with the same model, comics and settings prints it at once, and an
    interrupted call resumes where it stopped. Processes started by torchrun or accelerate launch share the
    strips.

    Example: gaze discover tiny comics/ --samples 20
    """
    shown = number_or_auto(top, "--top") or SHOWN
    model = loading.named(model)
    from gazecli.cache import Cache
    from gazecli.heads.discover import discover
    from gazecli.heads.questions import DISCOVERY_PROMPT
    from gazecli.pictures.comics.comics import open_comics
    from gazecli.reports.headset import headset_document

    reading: dict[str, Any] = {
        "panels": panels,
        "height": HEIGHT if height is None else height,
        "gap": GAP if gap is None else gap,
        "samples": samples,
        "seed": seed,
        "layout": layout,
        "rtl": rtl,
        "spread": spread,
    }
    opened = open_comics(comics, **reading)
    for option, value in (("height", height), ("gap", gap)):
        if value is not None and opened.layout in WHOLE_LAYOUTS:
            where = f"in the {opened.layout} layout, where strips are whole"
            raise cannot_matter(option, where, subject=value)
    for skip in opened.skipped:
        output.note(f"skipped {skip.path}: {skip.reason}")
    cache = Cache(warn=output.warning)
    count = current_launch().world_size
    title = "discovering" if count == 1 else f"discovering (process 1 of {count})"
    with fetching(output, model) as fetched, progress(output, title, "strips") as step:
        found = discover(
            model,
            opened,
            prompt=DISCOVERY_PROMPT if prompt is None else prompt,
            batch_size=batch_size,
            force=force,
            cache=cache,
            revision=revision,
            profile=profile,
            progress=step,
            fetching=fetched,
            note=output.detail,
            advise=output.note,
            **reading,
            **loading.keywords(),
        )
    if profile:
        _show_profile(output, found.timing)
    document = headset_document(found, str(comics), [(skip.path, skip.reason) for skip in opened.skipped])
    note_template(output, document.model.template)
    note_prepared(output, "strips were", document.comics.prepared)
    read = labelled(document, cache)
    output.result(document, lambda console: show_headset(console, read, shown), digest=document.digest)


def _show_profile(output: Output, timing: Mapping[str, Any]) -> None:
    """Print the time of each phase; a stored head set took none."""
    if "profile" not in timing:
        output.warning("the head set was stored, so there is no profile; --force computes again")
        return
    whole = timing["seconds"]
    rows = [[name, f"{s:.3f}", f"{s / max(whole, 1e-9):.0%}"] for name, s in timing["profile"].items()]
    print_table(output.err, "phase >seconds >share", rows)
    output.err.print("read and patch run in parallel with the others, while the model computes")


def show_headset(console: Console, document: HeadSetDocument, top: int) -> None:
    """Print where a head set comes from, its best heads, and which to steer."""
    model, comics, timing = document.model, document.comics, document.timing
    source = "kept from before" if document.cached else f"{timing.seconds:.1f} s" if timing else None
    skipped = f", {len(comics.skipped)} skipped" if comics.skipped else ""
    print_facts(
        console,
        {
            "model": f"{model.name}, {model.family}, {model.layers} x {model.heads} heads, {model.dtype}",
            "comics": f"{comics.strips} strips of {comics.panels} panels{skipped}",
            "head set": document.digest,
            "time": source,
        },
    )
    console.print()
    rows: list[list[object]] = []
    for place, head in enumerate(document.heads[:top], 1):
        chosen = "*" if place <= document.suggested.top else ""
        values = (head.raw, head.selectivity, head.image_mass)
        scores = [None if value is None else f"{value:.3f}" for value in values]
        rows.append([chosen, head.layer, head.head, *scores, bar(head.raw)])
    print_table(console, "* >layer >head >raw >selectivity >image_mass raw_score", rows)
    console.print()
    suggested = document.suggested
    strength = "" if suggested.strength is None else f", steered at strength {suggested.strength:g}"
    chosen = f"the top {suggested.top} by {suggested.score} score (*){strength}"
    console.print(f"suggested: {chosen}. {suggested.why}.")
