"""`gaze discover MODEL COMICS`, or --text: score every attention head, keep the head set, print it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.completion import model_names
from gazecli.cli.inputs import fetching, note_default, note_prepared, note_template
from gazecli.cli.options import ModelOptions, number_or_auto, with_help
from gazecli.cli.output import Output, progress, resumable
from gazecli.cli.tables import bar, labelled, print_facts, print_table
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError, cannot_matter
from gazecli.heads.questions import DISCOVERY_PROMPT, TEXT_PROMPT

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.heads.headset import HeadSet
    from gazecli.pictures.comics.comics import Comics
    from gazecli.reports.documents.results import HeadSetDocument

NAME = "discover"
HEIGHT, GAP, PANELS, SHOWN = 256, 6, 6, 10
LISTS = 200


@cli_command(shared=True)
def command(
    output: Output,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", autocompletion=model_names, help="An alias, a Hugging Face id or a folder."
        ),
    ],
    comics: Annotated[
        Path | None, typer.Argument(metavar="COMICS", help="A folder of comics; with --text a file of texts.")
    ] = None,
    *,
    loading: ModelOptions,
    text: Annotated[
        bool,
        typer.Option(
            "--text",
            help="Find heads on numbered texts instead of pictures: those of a file (a text a line, a blank"
            f" line between lists), or {LISTS} drawn lists.",
        ),
    ] = False,
    samples: Annotated[
        int | None, with_help(options.SAMPLES, "Draw this many strips or lists.", default="all")
    ] = None,
    panels: Annotated[
        int | None, with_help(options.PANELS, "Panels of a strip.", default=f"{PANELS}", metavar="N")
    ] = None,
    height: Annotated[
        int | None, typer.Option(help="Pixels to which single panels are resized.", show_default=f"{HEIGHT}")
    ] = None,
    gap: Annotated[
        int | None, typer.Option(help="White pixels painted over a seam.", show_default=f"{GAP}")
    ] = None,
    seed: Annotated[int, options.SEED] = 42,
    prompt: Annotated[
        str | None,
        with_help(
            options.PROMPT,
            "The question: {ordinal} is 1st, {ordinal_word} first, {number} 1, {count} six.",
            default=f"{DISCOVERY_PROMPT} With --text: {TEXT_PROMPT}",
        ),
    ] = None,
    layout: options.Layout = None,
    rtl: options.Rtl = False,
    spread: options.Spread = False,
    batch_size: Annotated[str, with_help(options.BATCH_SIZE, "Strips at a time: auto or a number.")] = "auto",
    top: Annotated[
        str, with_help(options.TOP, "How many heads to show: auto or a number.", default=f"auto: {SHOWN}")
    ] = "auto",
    force: Annotated[bool, with_help(options.FORCE, "Compute again what is kept already.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show on stderr where the time went.")] = False,
    revision: options.Revision = None,
) -> None:
    """Score every attention head of a model on comics, or with --text on numbered texts alone.

    The head set is kept: a second call with the same model, comics and settings prints it at once, and an
    interrupted call resumes where it stopped. Processes started by torchrun or accelerate launch share the
    strips. Heads of --text are a head set of their own kind, which steers where it is named by its digest.

    Example: gaze discover tiny comics/ --samples 20
    """
    shown = number_or_auto(top, "--top") or SHOWN
    model = loading.named(model)
    from gazecli.cache import Cache
    from gazecli.reports.headset import headset_document

    cache = Cache(warn=output.warning)
    skipped: list[tuple[str, str]] = []
    if text:
        pictured = {"height": height, "gap": gap, "layout": layout}
        pictured |= {"rtl": rtl or None, "spread": spread or None}
        pictured |= {"no_squash": loading.no_squash or None, "image_tokens": loading.image_tokens}
        for option, value in pictured.items():
            if value is not None:
                raise cannot_matter(option, "with --text, where there are no pictures")
        discover = _on_texts(comics, samples, panels, seed, prompt)
    elif comics is None:
        raise UsageError("missing argument 'COMICS'", hint="`gaze discover --help` lists what it takes")
    else:
        opened = _opened(comics, samples, panels, height, gap, seed, layout, rtl, spread)
        skipped = [(skip.path, skip.reason) for skip in opened.skipped]
        for path, reason in skipped:
            output.note(f"skipped {path}: {reason}")
        discover = partial(
            _on_comics(opened, samples, height, gap, seed, layout, rtl, spread, prompt), advise=output.note
        )
    count = current_launch().world_size
    title = "discovering" if count == 1 else f"discovering (process 1 of {count})"
    keywords = loading.keywords()
    if text:
        del keywords["squash"], keywords["image_tokens"]
    unit = "lists" if text else "strips"
    with (
        resumable(output, f"what was measured of the {unit} so far"),
        fetching(output, model) as fetched,
        progress(output, title, unit) as step,
    ):
        found = discover(
            model,
            batch_size=batch_size,
            force=force,
            cache=cache,
            revision=revision,
            profile=profile,
            progress=step,
            fetching=fetched,
            note=output.detail,
            **keywords,
        )
    if profile:
        _show_profile(output, found.timing)
    document = headset_document(found, None if comics is None else str(comics), skipped)
    note_template(output, document.model.template)
    note_prepared(output, "strips were", document.comics.prepared)
    _warn_of_sharing(output, document)
    if text:
        output.note(f"heads found on texts steer where they are named: --heads {found.digest[7:19]}")
    else:
        note_default(output, cache, found)
    read = labelled(document, cache)
    output.result(document, lambda console: show_headset(console, read, shown), digest=document.digest)


def _opened(
    comics: Path,
    samples: int | None,
    panels: int | None,
    height: int | None,
    gap: int | None,
    seed: int,
    layout: str | None,
    rtl: bool,
    spread: bool,
) -> Comics:
    """The strips of a folder; UsageError for an option that cannot matter in its layout."""
    from gazecli.pictures.comics.comics import WHOLE_LAYOUTS, open_comics

    opened = open_comics(
        comics,
        panels=PANELS if panels is None else panels,
        height=HEIGHT if height is None else height,
        gap=GAP if gap is None else gap,
        samples=samples,
        seed=seed,
        layout=layout,
        rtl=rtl,
        spread=spread,
    )
    for option, value in (("height", height), ("gap", gap)):
        if value is not None and opened.layout in WHOLE_LAYOUTS:
            where = f"in the {opened.layout} layout, where strips are whole"
            raise cannot_matter(option, where, subject=value)
    return opened


def _on_comics(
    opened: Comics,
    samples: int | None,
    height: int | None,
    gap: int | None,
    seed: int,
    layout: str | None,
    rtl: bool,
    spread: bool,
    prompt: str | None,
) -> Callable[..., HeadSet]:
    from gazecli.heads.discover import discover

    return partial(
        discover,
        comics=opened,
        samples=samples,
        panels=opened.panels,
        height=HEIGHT if height is None else height,
        gap=GAP if gap is None else gap,
        seed=seed,
        layout=layout,
        rtl=rtl,
        spread=spread,
        prompt=DISCOVERY_PROMPT if prompt is None else prompt,
    )


def _on_texts(
    file: Path | None, samples: int | None, panels: int | None, seed: int, prompt: str | None
) -> Callable[..., HeadSet]:
    """Discovery on the lists of a file, or on drawn ones; UsageError where `panels` is not what it has."""
    from gazecli.heads.discover import discover_text
    from gazecli.heads.text_lists import open_text_lists, text_lists

    if file is not None:
        texts = open_text_lists(file)
        if panels not in (None, texts.panels):
            raise UsageError(
                f"the lists of this file have {texts.panels} texts",
                subject=str(file),
                hint="leave --panels out",
            )
    else:
        from gazecli.tiny.comics import text_lists_of_scenes

        count = LISTS if samples is None else samples
        texts = text_lists(text_lists_of_scenes(count, seed, PANELS if panels is None else panels))
    asked = TEXT_PROMPT if prompt is None else prompt
    return partial(discover_text, texts=texts, samples=samples, seed=seed, prompt=asked)


def _warn_of_sharing(output: Output, document: HeadSetDocument) -> None:
    from gazecli.models.token_maps.shared_tokens import SHARE

    left_out = sum(each.reason.endswith(SHARE) for each in document.comics.skipped)
    if left_out:
        output.warning(
            f"{left_out} of {left_out + document.comics.strips} strips were left out: panels of theirs "
            f"{SHARE}, so that nothing tells which is looked at; use larger strips (--height), or a larger "
            "--image-tokens"
        )


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
            **(
                {"texts": f"{comics.strips} lists of {comics.panels} texts"}
                if document.kind == "text"
                else {"comics": f"{comics.strips} strips of {comics.panels} panels{skipped}"}
            ),
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
    mass = "text_mass" if document.kind == "text" else "image_mass"
    print_table(console, f"* >layer >head >raw >selectivity >{mass} raw_score", rows)
    console.print()
    suggested = document.suggested
    strength = "" if suggested.strength is None else f", steered at strength {suggested.strength:g}"
    chosen = f"the top {suggested.top} by {suggested.score} score (*){strength}"
    console.print(f"suggested: {chosen}. {suggested.why}.")
