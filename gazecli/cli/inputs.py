"""The inputs of a command: the heads, their model and the picture.

Heads are chosen before the model is loaded, so that a wrong choice costs no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gazecli.cli.options import HeadOptions, LoadOptions, PictureOptions, number_or_auto, setting
from gazecli.cli.output import Output, busy
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.cache import Cache
    from gazecli.heads.headset import Head, HeadSet
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture


@dataclass(frozen=True)
class ChosenHeads:
    """The heads to steer or watch, the score that ranked them, and the model to load for them."""

    headset: HeadSet
    heads: list[Head]
    score: str
    model: str
    cache: Cache


def choose_heads(output: Output, options: HeadOptions) -> ChosenHeads:
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
    best = headset.top("auto" if count is None else count, ranked_by)
    source = options.model or (named if options.heads is None else None) or model_source(cache, headset)
    output.detail(f"{len(best)} heads of {headset.digest} by {ranked_by} score")
    return ChosenHeads(headset, best, ranked_by, source, cache)


def load_model(output: Output, chosen: ChosenHeads, options: LoadOptions) -> VLM:
    """Load the heads' model; ModelError when it is not here, HeadSetError when the heads are of another."""
    from gazecli.cache import file_digest
    from gazecli.heads.headset_store import note_headset
    from gazecli.models.load import load

    with busy(output, f"loading {chosen.model}"):
        vlm = load(
            chosen.model, file_digest=lambda path: file_digest(path, chosen.cache.root), **options.keywords()
        )
    chosen.headset.check_model(vlm.digest, vlm.name)
    if current_launch().is_first:
        note_headset(chosen.cache, chosen.headset, chosen.model)
    return vlm


MOST_PIXELS = 10**10


def open_picture(source: str, options: PictureOptions) -> Picture:
    """Open the picture with its regions; PictureError, RegionError, ComicsError or UsageError."""
    from gazecli.pictures.picture import Picture

    most = most_pixels(options)
    return Picture.open(source, options.panels, options.regions, options.rtl, max_pixels=most)


def most_pixels(options: PictureOptions) -> int:
    """The largest picture that is opened; UsageError for a number that is none."""
    from gazecli.pictures.image_files import MAX_PIXELS

    most = MAX_PIXELS if options.max_pixels is None else options.max_pixels
    if not 1 <= most <= MOST_PIXELS:
        raise UsageError(
            f"--max-pixels must lie between 1 and {MOST_PIXELS}",
            subject=str(most),
            hint="leave it out for 100 million",
        )
    return most


def note_prepared(output: Output, what: str, prepared: str | None) -> None:
    """Note how a picture was changed for the model to see all of it; `what` as in `picture was`."""
    if prepared is not None:
        output.note(f"the {what} {prepared}: the model's own processor would have cut parts off")
