"""Which heads of which model a call steers.

Heads are chosen before the model is loaded, so that a wrong choice costs no time. Knows nothing of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gazecli.cli.launched import writes
from gazecli.cli.options import number_or_auto
from gazecli.cli.progress import busy
from gazecli.cli.settings import setting
from gazecli.cli.streams import Streams
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.cache import Cache
    from gazecli.heads.headset import Head, HeadSet
    from gazecli.models.vlm import VLM


@dataclass(frozen=True)
class Aim:
    """Chosen heads, the score that ranked them, and the model to load for them."""

    headset: HeadSet
    heads: list[Head]
    score: str
    model: str
    cache: Cache


def choose_heads(streams: Streams, model: str | None, heads: str | None, top: str, score: str) -> Aim:
    """The heads of the head set named, else of the model named, else of the head set used last.

    Raises HeadSetError when there is none, UsageError for an impossible number of heads.
    """
    from gazecli.cache import Cache
    from gazecli.heads.shelf import find_headset, last_headset, model_source

    cache = Cache(warn=streams.warning)
    named = setting("model", model)
    spec = heads or named
    headset = find_headset(spec, cache) if spec else last_headset(cache)
    count = number_or_auto(top, "--top")
    ranked_by = headset.resolve_score(score)
    chosen = headset.top("auto" if count is None else count, ranked_by)
    source = model or (named if heads is None else None) or model_source(cache, headset)
    streams.detail(f"{len(chosen)} heads of {headset.digest} by {ranked_by} score")
    return Aim(headset, chosen, ranked_by, source, cache)


def load_for(
    streams: Streams,
    aim: Aim,
    device: str | None,
    dtype: str | None,
    device_map: str | None,
    trust: bool,
    no_squash: bool = False,
) -> VLM:
    """Load the model the heads belong to; ModelError when it is not here, HeadSetError when it is another."""
    if device_map is not None and device is not None:
        raise UsageError("--device cannot matter with --device-map", subject=device)
    from gazecli.cache import file_digest
    from gazecli.heads.shelf import note_headset
    from gazecli.models.loading import load

    with busy(streams, f"loading {aim.model}"):
        vlm = load(
            aim.model,
            device=setting("device", device),
            dtype=setting("dtype", dtype),
            device_map=device_map,
            trust_remote_code=trust,
            file_digest=lambda path: file_digest(path, aim.cache),
            squash=not no_squash,
        )
    aim.headset.check_model(vlm.digest, vlm.name)
    if writes():
        note_headset(aim.cache, aim.headset, aim.model)
    return vlm
