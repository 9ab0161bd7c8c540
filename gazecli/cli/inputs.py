"""The inputs of a command: the heads, their model and the picture.

Heads are chosen before the model is loaded, so that a wrong choice costs no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gazecli.cli.options import HeadOptions, LoadOptions, PictureOptions, number_or_auto, setting
from gazecli.cli.output import Output, Step, busy, later_progress
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError, cannot_matter

if TYPE_CHECKING:
    from gazecli.cache import Cache
    from gazecli.heads.headset import Head, HeadSet
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture
    from gazecli.steering.steer import Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking


_MEGABYTE = 10**6


@dataclass(frozen=True)
class ChosenHeads:
    """The heads to steer or watch, the score that ranked them, and the model to load for them."""

    headset: HeadSet
    heads: list[Head]
    score: str
    model: str
    cache: Cache


def choose_heads(output: Output, options: HeadOptions, loading: LoadOptions | None = None) -> ChosenHeads:
    """The heads of the head set named, else of the model named, else of the head set used last.

    A model named is meant with the adapter of `loading`.

    Raises HeadSetError when there is none, UsageError for an impossible number of heads.
    """
    from gazecli.cache import Cache
    from gazecli.heads.headset_store import find_headset, last_headset, model_source
    from gazecli.heads.rankings import listed_headset
    from gazecli.models.head_pairs import parse_heads

    cache = Cache(warn=output.warning)
    named = setting("model", options.model)
    if named is not None and loading is not None:
        named = loading.named(named)
    spec = options.heads or named
    listed = parse_heads(options.heads) if options.heads else None
    if listed is not None:
        headset = listed_headset(listed, _model_of(named, spec), cache)
    else:
        headset = find_headset(spec, cache, output.note) if spec else last_headset(cache, output.note)
    count = number_or_auto(options.top, "--top")
    ranked_by = headset.resolve_score(options.score)
    best = headset.top("auto" if count is None else count, ranked_by)
    wanted = options.model is not None or options.heads is None or listed is not None
    source = (named if wanted else None) or model_source(cache, headset)
    if loading is not None:
        source = loading.named(source)
    output.detail(f"{len(best)} heads of {headset.digest} by {ranked_by} score")
    return ChosenHeads(headset, best, ranked_by, source, cache)


def check_model_matters(model: str | None, headset: str | None, against: str | None = None) -> None:
    """UsageError for a --model beside head sets that know theirs, in a command that loads none.

    headset, against: what names them; without `headset` a model names its newest.
    """
    from gazecli.models.head_pairs import parse_heads

    typed = any(each is not None and parse_heads(each) for each in (headset, against))
    if model is not None and headset is not None and not typed:
        hint = "it says whose heads are meant where they are typed by hand: 3.4,3.5"
        raise cannot_matter("model", "beside a head set, which knows its own", hint, model)


@contextmanager
def fetching(output: Output, name: str) -> Iterator[Step]:
    """Yield a function to be called with (bytes done, bytes in all); its first call draws the bar."""
    with later_progress(output, f"fetching {name}", "MB") as step:
        yield lambda done, total: step(done // _MEGABYTE, None if total is None else total // _MEGABYTE)


def fetch_model(output: Output, name: str, revision: str | None = None) -> None:
    """Fetch what of a Hub model is not on this machine, under a progress bar.

    Raises ModelError when it is not here and cannot be fetched.
    """
    from gazecli.models.checkpoint import find_checkpoint

    with fetching(output, name) as step:
        find_checkpoint(name, revision, progress=step)


def _model_of(named: str | None, heads: str | None) -> str:
    if named is None:
        raise UsageError(
            "heads typed by hand need a model",
            subject=heads,
            hint="add --model MODEL, or set GAZE_MODEL",
            code="usage.model",
        )
    return named


def load_model(output: Output, chosen: ChosenHeads, options: LoadOptions) -> VLM:
    """Load the heads' model; ModelError when it is not here, HeadSetError when the heads are of another."""
    from gazecli.cache import file_digest
    from gazecli.heads.headset_store import note_headset
    from gazecli.models.load import load

    fetch_model(output, chosen.model)
    with busy(output, f"loading {chosen.model}"):
        vlm = load(
            chosen.model,
            file_digest=lambda path: file_digest(path, chosen.cache.root),
            note=output.detail,
            advise=output.note,
            **options.keywords(),
        )
    chosen.headset.check_model(vlm.digest, vlm.name)
    note_template(output, vlm.template)
    if chosen.headset.kind == "text":
        output.note("these are text heads: found on numbered texts, without any picture")
    if current_launch().is_first and chosen.headset.kind != "listed":
        note_headset(chosen.cache, chosen.headset, chosen.model)
    return vlm


MOST_PIXELS = 10**10


def open_picture(output: Output, source: str, options: PictureOptions) -> Picture:
    """Open the picture with its regions, and say what its notes and warnings are.

    Raises PictureError, RegionError, ComicsError or UsageError.
    """
    from gazecli.pictures.picture import Picture

    most = most_pixels(options)
    picture = Picture.open(
        source, options.panels, options.regions, options.rtl, spread=options.spread, max_pixels=most
    )
    for note in picture.notes:
        output.note(note)
    for warning in picture.warnings:
        output.warning(warning)
    return picture


def most_pixels(options: PictureOptions) -> int:
    """The largest picture that is opened; UsageError for a number that is none."""
    from gazecli.pictures.image_files import MAX_PIXELS

    most = MAX_PIXELS if options.max_pixels is None else options.max_pixels
    if not 1 <= most <= MOST_PIXELS:
        raise UsageError(
            f"--max-pixels must be between 1 and {MOST_PIXELS}",
            subject=str(most),
            hint="leave it out for 100 million",
        )
    return most


def warn_of_toy(output: Output, vlm: VLM, picture: Picture) -> None:
    """Warn when the model is a toy and the picture none of its world."""
    from gazecli.steering.toy_models import toy_warning

    warning = toy_warning(vlm, picture)
    if warning is not None:
        output.warning(warning)


def warn_of_sharing(output: Output, result: Steering | Narration | Tracking) -> None:
    """Warn when regions of the picture share all their image tokens."""
    from gazecli.models.token_maps.shared_tokens import sharing_warning

    warning = sharing_warning(result.layout, result.regions, result.picture.panels)
    if warning is not None:
        output.warning(warning)


def note_default(output: Output, cache: Cache, headset: HeadSet) -> None:
    """Note that the model's name goes on to mean another head set than this new one, where it does."""
    from gazecli.heads.headset_store import default_instead_of

    other = default_instead_of(headset, cache)
    if other is not None:
        output.note(
            f"the model's name still means head set {_short(other)}, which gaze cache default set; "
            f"to change that: gaze cache default {_short(headset.digest)}"
        )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def note_template(output: Output, template: str | None) -> None:
    """Note that prompts are not written by the checkpoint's own chat template, where they are not."""
    if template is not None:
        from gazecli.models.chat_templates import NOTES

        output.note(NOTES[template])


def note_prepared(output: Output, what: str, prepared: str | None) -> None:
    """Note how a picture was changed for the model to see all of it; `what` as in `picture was`."""
    if prepared is not None:
        output.note(f"the {what} {prepared}: the model's own processor would have cut parts off")
