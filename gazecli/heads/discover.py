"""`discover`: the stored head set when there is one, else the long walk.

A stored head set is found without loading the model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.file_digests import file_digests
from gazecli.cache.store import Cache
from gazecli.distributed.group import join
from gazecli.errors import UsageError
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_comics, note_headset, stored_headset
from gazecli.heads.questions import DISCOVERY_PROMPT, TEXT_PROMPT
from gazecli.heads.request import ComicsRequest, Request, Settings, TextRequest, TextSettings, check_numbers
from gazecli.heads.text_lists import TextLists, open_text_lists, text_lists
from gazecli.models.device_map import DeviceMap, parse_device_map
from gazecli.pictures.comics.comics import Comics, open_comics

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM

_LOG = logging.getLogger(__name__)
Note = Callable[[str], None]


def discover(
    model: VLM | str | Path,
    comics: str | Path | Comics,
    *,
    samples: int | None = None,
    panels: int = 6,
    height: int = 256,
    gap: int = 6,
    seed: int = 42,
    prompt: str = DISCOVERY_PROMPT,
    layout: str | None = None,
    rtl: bool = False,
    spread: bool = False,
    batch_size: int | str = "auto",
    force: bool = False,
    cache: Cache | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    device_map: DeviceMap | None = None,
    trust_remote_code: bool = False,
    squash: bool | None = None,
    image_tokens: int | None = None,
    profile: bool = False,
    progress: Callable[[int, int], None] | None = None,
    fetching: Callable[[int, int], None] | None = None,
    note: Note = _LOG.info,
    advise: Note = _LOG.warning,
) -> HeadSet:
    """Score every attention head of a model on comics; the stored head set when this was done before.

    `model` is a loaded VLM or a name; a name is loaded only when there is work to do. Processes that a
    launcher started together share the strips: all of them must call this, and all get the head set.
    `rtl` and `spread` say how whole strips are read, as for `Picture.open`.
    `squash`, on by default, stretches strips that its processor would crop, and `image_tokens` is the most
    that a strip may take; a loaded VLM has its own of both. With `profile`, the timing of a walk also has the
    seconds of each phase. `progress` is called with strips (done, in all), `fetching` with bytes of a model
    that is fetched from the Hub; `note` and `advise` are those of `load`.

    Raises UsageError, ModelError or ComicsError before any work starts.
    """
    model = str(model) if isinstance(model, Path) else model
    squash = _own("squash", True, model, squash)
    image_tokens = _own("image_tokens", None, model, image_tokens)
    settings = Settings(samples, panels, height, gap, seed, prompt, layout, rtl, squash, spread, image_tokens)
    settings.check()
    cache = cache if cache is not None else Cache()
    if not isinstance(comics, Comics):
        comics = open_comics(
            comics,
            panels=panels,
            height=height,
            gap=gap,
            samples=samples,
            seed=seed,
            layout=layout,
            rtl=rtl,
            spread=spread,
        )
    comics = replace(comics, hash_files=partial(file_digests, root=cache.root))
    request = ComicsRequest(
        model=model,
        comics=comics,
        settings=settings,
        cache_root=cache.root,
        device=device,
        dtype=dtype,
        revision=revision,
        device_map=None if device_map is None else parse_device_map(device_map),
        trust_remote_code=trust_remote_code,
        fetching=fetching,
        advise=advise,
    )
    found = _discover(request, cache, parse_batch_size(batch_size), force, profile, progress, note)
    if join().is_first:
        note_comics(cache, comics)
    return found


def discover_text(
    model: VLM | str | Path,
    texts: str | Path | TextLists | Iterable[Sequence[str]],
    *,
    samples: int | None = None,
    seed: int = 42,
    prompt: str = TEXT_PROMPT,
    batch_size: int | str = "auto",
    force: bool = False,
    cache: Cache | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    device_map: DeviceMap | None = None,
    trust_remote_code: bool = False,
    profile: bool = False,
    progress: Callable[[int, int], None] | None = None,
    fetching: Callable[[int, int], None] | None = None,
    note: Note = _LOG.info,
) -> HeadSet:
    """Score every attention head of a model on lists of short texts, without any picture.

    The texts stand numbered in the prompt, and the heads are those by which its last token looks at the text
    that is asked about. `texts` are lists of texts, or a file with a text a line and a blank line between
    lists; `gazecli.tiny.comics.text_lists_of_scenes` draws some. `samples` of the lists are taken, drawn by
    `seed`. A model without a vision tower is taken too. The others are as of `discover`.

    Raises UsageError or ModelError before any work starts.
    """
    if isinstance(texts, str | Path):
        texts = open_text_lists(texts)
    elif not isinstance(texts, TextLists):
        texts = text_lists(texts)
    settings = TextSettings(seed, prompt)
    settings.check(texts.panels)
    check_numbers(samples=samples)
    cache = cache if cache is not None else Cache()
    request = TextRequest(
        model=str(model) if isinstance(model, Path) else model,
        texts=texts.sample(samples, seed),
        settings=settings,
        cache_root=cache.root,
        device=device,
        dtype=dtype,
        revision=revision,
        device_map=None if device_map is None else parse_device_map(device_map),
        trust_remote_code=trust_remote_code,
        fetching=fetching,
    )
    return _discover(request, cache, parse_batch_size(batch_size), force, profile, progress, note)


def _discover(
    request: Request,
    cache: Cache,
    batch_size: int | None,
    force: bool,
    profile: bool,
    progress: Callable[[int, int], None] | None,
    note: Note,
) -> HeadSet:
    """The stored head set of a request, or the walk."""
    began = time.monotonic()
    model = request.model
    group = join()
    # The first process digests; the others then find the digests remembered.
    document = group.from_first(lambda: request.document)
    stored = group.from_first(lambda: None if force else stored_headset(cache, document))
    if stored is not None:
        if group.is_first:
            # Of a run that was killed after it stored the head set and before it cleared its partial results.
            cache.partial_results(document).clear_parts()
            note_headset(cache, stored, model if isinstance(model, str) else model.source)
        return _found_again(stored, began)
    if group.size > 1:
        group.agree("models, comics, texts or settings", request.document)
    cache.ensure_writable()
    if isinstance(model, str):
        note(f"loading {model}")
    vlm = request.load(note)
    from gazecli.heads.walk import walk
    from gazecli.models.inference.profile import Profile

    # Waits while another run discovers the same, so that its head set can be taken.
    waiting = partial(note, "another run discovers the same; waiting for it")
    with cache.working_on(document, on_wait=waiting) if group.is_first else nullcontext():
        stored = group.from_first(lambda: None if force else stored_headset(cache, document))
        if stored is not None:
            found = _found_again(stored, began)
        else:
            if force and group.is_first:
                cache.partial_results(document).clear_parts()
            with Profile(vlm.device).active() if profile else nullcontext() as spent:
                found = walk(vlm, request, cache, batch_size, progress, group)
            if spent is not None:
                found = replace(found, timing={**found.timing, "profile": spent.rounded()})
    if group.is_first:
        note_headset(cache, found, vlm.source)
    return found


def _own(name: str, default: Any, model: VLM | str, given: Any) -> Any:
    """How strips are shown: as given, else by the default; a loaded model has its own setting `name`."""
    if isinstance(model, str):
        return default if given is None else given
    own = getattr(model, name)
    if given not in (None, own):
        raise UsageError(f"a loaded model has its own setting for {name}", hint=f"set its `{name}`")
    return own


def _found_again(stored: HeadSet, began: float) -> HeadSet:
    """A stored head set with the time it took to find; no strip was walked for it."""
    timing = {"seconds": round(time.monotonic() - began, 3), "strips_per_second": 0.0}
    return replace(stored, cached=True, timing=timing)


def parse_batch_size(batch_size: int | str) -> int | None:
    """`auto` is None; else a number from 1 to 4096. Raises UsageError for anything else."""
    if batch_size == "auto":
        return None
    try:
        size = int(batch_size)
    except ValueError:
        size = 0
    if not 1 <= size <= 4096:
        raise UsageError(
            "--batch-size must be `auto` or from 1 to 4096",
            subject=str(batch_size),
            hint="leave it out: auto takes what fits",
        )
    return size
