"""Which heads of which model a call steers.

Heads are chosen before the model is loaded, so that a wrong choice costs no time. Knows nothing of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gazecli.cli.command import writes
from gazecli.cli.config import setting
from gazecli.cli.options import HeadOptions, LoadOptions, PictureOptions, number_or_auto
from gazecli.cli.output import Output
from gazecli.cli.progress import busy
from gazecli.errors import RegionError, UsageError

if TYPE_CHECKING:
    from gazecli.cache import Cache
    from gazecli.heads.headset import Head, HeadSet
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture
    from gazecli.pictures.regions import Region


@dataclass(frozen=True)
class Aim:
    """Chosen heads, the score that ranked them, and the model to load for them."""

    headset: HeadSet
    heads: list[Head]
    score: str
    model: str
    cache: Cache


def choose_heads(output: Output, options: HeadOptions) -> Aim:
    """The heads of the head set named, else of the model named, else of the head set used last.

    Raises HeadSetError when there is none, UsageError for an impossible number of heads.
    """
    from gazecli.cache import Cache
    from gazecli.heads.headset_store import find_headset, last_headset, model_source

    cache = Cache(warn=output.warning)
    named = setting("model", options.model)
    spec = options.heads or named
    headset = find_headset(spec, cache) if spec else last_headset(cache)
    count = number_or_auto(options.top, "--top")
    ranked_by = headset.resolve_score(options.score)
    chosen = headset.top("auto" if count is None else count, ranked_by)
    source = options.model or (named if options.heads is None else None) or model_source(cache, headset)
    output.detail(f"{len(chosen)} heads of {headset.digest} by {ranked_by} score")
    return Aim(headset, chosen, ranked_by, source, cache)


def load_model(output: Output, aim: Aim, options: LoadOptions) -> VLM:
    """Load the model the heads belong to; ModelError when it is not here, HeadSetError when it is another."""
    from gazecli.cache import file_digest
    from gazecli.heads.headset_store import note_headset
    from gazecli.models.load import load

    with busy(output, f"loading {aim.model}"):
        vlm = load(
            aim.model,
            file_digest=lambda path: file_digest(path, aim.cache.root),
            **options.keywords(),
        )
    aim.headset.check_model(vlm.digest, vlm.name)
    if writes():
        note_headset(aim.cache, aim.headset, aim.model)
    return vlm


MOST_PIXELS = 10**10


def open_picture(source: str, options: PictureOptions) -> Picture:
    """Open the picture with its regions; PictureError, RegionError, ComicsError or UsageError."""
    from gazecli.pictures.image_files import MAX_PIXELS
    from gazecli.pictures.picture import Picture

    max_pixels = options.max_pixels
    if max_pixels is not None and not 1 <= max_pixels <= MOST_PIXELS:
        raise UsageError(
            f"--max-pixels must lie between 1 and {MOST_PIXELS}",
            subject=str(max_pixels),
            hint="leave it out for 100 million",
        )
    return Picture.open(
        source, options.panels, options.regions, options.rtl, max_pixels=max_pixels or MAX_PIXELS
    )


def targets_of(picture: Picture, specs: list[str] | None, all_regions: bool) -> list[Region]:
    """The regions asked for, in order; UsageError when none is named, RegionError when one is not there."""
    if all_regions:
        if specs:
            raise UsageError("--region and --all-regions exclude each other", hint="keep one of them")
        if not picture.regions:
            hint = "say where they are: --panels 6, --panels 2x3 or --regions FILE.json"
            raise RegionError("no panels were found", subject=picture.name, hint=hint)
        return list(picture.regions)
    if not specs:
        raise UsageError("no region is named", hint="add --region 3, or --all-regions", code="usage.region")
    # Regions that are no panels are numbered on behind the panels.
    return [picture.region(spec, number) for number, spec in enumerate(specs, len(picture.regions) + 1)]


def say_prepared(output: Output, what: str, prepared: str | None) -> None:
    """Tell what had to be done before the model could see all of a picture; `what` as in `picture was`."""
    if prepared is not None:
        output.note(f"the {what} {prepared}: the model's own processor would have cut parts off")
