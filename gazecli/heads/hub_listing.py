"""Which head sets the Hub has for a model, with what their cards claim of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gazecli.cache.file_digests import file_digest
from gazecli.cache.store import Cache
from gazecli.errors import ModelError
from gazecli.heads.headset import KIND
from gazecli.heads.hub import hub_errors
from gazecli.models.adapter import split_name
from gazecli.models.catalogue import CATALOGUE, resolve_alias
from gazecli.models.checkpoint import find_checkpoint, is_folder

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

TAG = "gaze-heads"
MOST_LISTED = 100
_MOST_CLAIMS, _MOST_CONTROLS, _LONGEST = 20, 100, 200
# What a card that somebody filled with anything makes of huggingface_hub's reader.
_BROKEN_CARD = (TypeError, ValueError, KeyError, AttributeError)


@dataclass(frozen=True)
class Claim:
    """What a card says of one evaluation: shares of one, and what was done. Nothing of it was checked."""

    task: str
    accuracy: float
    ci95: tuple[float, float] | None = None
    controls: tuple[float, ...] = ()
    chance: float | None = None
    judge: str | None = None
    pictures: int | None = None


@dataclass(frozen=True)
class OnHub:
    """A repository with a head set, and what the Hub and the repository's card say of it."""

    repository: str
    commit: str | None
    downloads: int | None
    updated: str | None
    claims: tuple[Claim, ...] = ()


def weights_tag(digest: str) -> str:
    """The tag of all head sets for one checkpoint, by the beginning of its digest."""
    return f"gaze-model-{digest.removeprefix('sha256:')[:16]}"


def list_headsets(model: str, *, cache: Cache | None = None) -> list[OnHub]:
    """The Hub's head sets for a model, by name or folder, most downloaded first.

    Raises HubError when the Hub cannot be reached, ModelError for a model that is no name and not here.
    """
    cache = cache if cache is not None else Cache()
    found = resolve_alias(model.partition("@")[0])
    if found is not None and "/" in found and not is_folder(model):
        wanted = f"base_model:{found}"
    else:  # it has no name on the Hub, but weights that others may have too
        checkpoint = find_checkpoint(model, fetch=False)
        wanted = weights_tag(checkpoint.digest(lambda path: file_digest(path, cache.root)))
    with hub_errors(model):
        from huggingface_hub import constants, get_session

        # A list is asked for again and again; where nobody answers at all, that is found out at once.
        get_session().head(constants.ENDPOINT)
        return [told(info) for info in _infos([TAG, wanted])]


def is_model(name: str) -> bool:
    """Whether `name` is that of a model: an alias, a model of the catalogue, or a folder here."""
    base = name.partition("@")[0]
    known = resolve_alias(base) is not None and ("/" not in base or any(e.id == base for e in CATALOGUE))
    return known or is_folder(name) or split_name(name)[1] is not None


def headsets_here(model: str, cache: Cache) -> list[str]:
    """Digests of the head sets of a model that are in the cache, newest first."""
    found = resolve_alias(model.partition("@")[0])
    digest = None
    with suppress(ModelError):
        checkpoint = find_checkpoint(model, fetch=False)
        digest = checkpoint.digest(lambda path: file_digest(path, cache.root))
    kept = [entry for entry in cache.entries() if entry.kind == KIND]
    models = [(entry.digest, entry.summary.get("model") or {}) for entry in kept]
    return [
        each
        for each, of in models
        if (found is not None and of.get("id") == found)
        or (digest is not None and of.get("digest") == digest)
    ]


def claims_of(repository: str, revision: str | None = None) -> tuple[Claim, ...]:
    """What the card of a repository says of its head set; nothing where it cannot be read."""
    from huggingface_hub import HfApi

    with hub_errors(repository):
        try:
            return _claims(HfApi().model_info(repository, revision=revision, expand=["cardData"]))
        except _BROKEN_CARD:
            return ()


def weights_here(headset_model: Mapping[str, Any], cache: Cache) -> bool | None:
    """Whether a head set's model on this machine has the weights the heads were found in; None: no copy."""
    name, digest = str(headset_model["id"]), str(headset_model["digest"])
    if cache.source_of(digest) is not None:
        return True
    # Only what names a model of the Hub or the one in the package: a foreign text is no path to look at.
    if name != "tiny" and (resolve_alias(name) != name or is_folder(name)):
        return None
    try:
        checkpoint = find_checkpoint(name, fetch=False)
    except ModelError:
        return None
    return checkpoint.digest(lambda path: file_digest(path, cache.root)) == digest


def _infos(tags: list[str]) -> Iterable[ModelInfo]:
    from huggingface_hub import HfApi

    api = HfApi()
    facts: list[Any] = ["sha", "downloads", "lastModified"]
    asked: dict[str, Any] = {"filter": tags, "sort": "downloads", "limit": MOST_LISTED}
    try:
        return list(api.list_models(**asked, expand=[*facts, "cardData"]))
    except _BROKEN_CARD:  # of one of them; the others are listed, and none has claims
        return list(api.list_models(**asked, expand=facts))


def told(info: ModelInfo) -> OnHub:
    """What the Hub tells of a repository."""
    updated = info.last_modified.date().isoformat() if info.last_modified is not None else None
    downloads = info.downloads if isinstance(info.downloads, int) and info.downloads >= 0 else None
    return OnHub(info.id, info.sha, downloads, updated, _claims(info))


def _claims(info: ModelInfo) -> tuple[Claim, ...]:
    card = getattr(info, "card_data", None)
    results = getattr(card, "eval_results", None) or []
    claims = (_claim(result) for result in list(results)[:_MOST_CLAIMS])
    return tuple(claim for claim in claims if claim is not None)


def _claim(result: Any) -> Claim | None:
    accuracy = _share(result.metric_value)
    if result.metric_type != "accuracy" or accuracy is None:
        return None
    given = result.metric_args if isinstance(result.metric_args, dict) else {}
    interval, controls, pictures = (given.get(name) for name in ("ci95", "controls", "pictures"))
    ends = [_share(end) for end in interval] if isinstance(interval, list) and len(interval) == 2 else []
    low, high = ends if ends else (None, None)
    draws = controls[:_MOST_CONTROLS] if isinstance(controls, list) else []
    return Claim(
        task=_text(result.task_name) or "unknown",
        accuracy=accuracy,
        ci95=None if low is None or high is None else (low, high),
        controls=tuple(share for draw in draws if (share := _share(draw)) is not None),
        chance=_share(given.get("chance")),
        judge=_text(given.get("judge")),
        pictures=pictures if type(pictures) is int and pictures >= 0 else None,
    )


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None
