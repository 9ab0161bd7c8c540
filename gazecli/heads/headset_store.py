"""Head sets by request, by digest, by file, by model, by their name on the Hub, or the one used last.

Where a model of a local folder lies is noted beside the artifacts, never in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gazecli.cache.artifact import read
from gazecli.cache.file_digests import file_digest
from gazecli.cache.store import Cache
from gazecli.errors import CacheError, ComicsError, HeadSetError, ModelError
from gazecli.heads.headset import KIND, HeadSet
from gazecli.heads.hub import SCHEME, Note, fetch_headset, hub_name, log
from gazecli.models.adapter import split_name
from gazecli.models.catalogue import resolve_alias
from gazecli.models.checkpoint import find_checkpoint, is_folder
from gazecli.models.head_pairs import Heads, parse_heads
from gazecli.models.snapshot import is_commit
from gazecli.pictures.comics.comics import Comics
from gazecli.pictures.comics.dataset import source_of

_LAST = "headset"
_DIGEST = re.compile(r"sha256:.*|[0-9a-fA-F]{4,64}", re.DOTALL)
# Of the checkpoint in the package; `make headset` makes it anew.
PACKAGED = Path(__file__).parent.parent / "tiny" / "headset.safetensors"


def stored_headset(cache: Cache, request: Mapping[str, Any]) -> HeadSet | None:
    """The head set this request gave before, or None."""
    return _get(cache, cache.recall(request))


def note_headset(cache: Cache, headset: HeadSet, source: str) -> None:
    """Remember a head set as `note_used` does, and where its model was loaded from."""
    if cache.path_of(headset.digest) is None:
        return
    note_used(cache, headset)
    path = os.path.expanduser(source)
    where = os.path.abspath(path) if source != "tiny" and os.path.isdir(path) else source
    cache.set_source(str(headset.model["digest"]), where)


def headset_summary(header: Mapping[str, Any]) -> str | None:
    """One line for a list of what is kept, from an artifact's header; None where there is nothing to add."""
    try:
        comics, suggested = header["comics"], header["suggested"]
        found = {
            "text": f"text heads, {comics['strips']} lists of {comics['panels']} texts",
            "listed": "listed by hand",
        }.get(header.get("kind", ""), f"{comics['strips']} strips of {comics['panels']} panels")
        origin = "an imported ranking" if "ranking" in header else found
        return f"{origin}, top {suggested['top']} by {suggested['score']}"
    except (KeyError, TypeError):
        return None


def note_used(cache: Cache, headset: HeadSet) -> None:
    """Remember a head set as the last used, and as its model's newest.

    Heads found on texts alone are neither where there are others: whoever steers means those of pictures.
    Heads listed by hand never are.
    """
    if headset.kind == "listed":
        return
    for name in (_LAST, _of_model(str(headset.model["digest"]))):
        before = _get(cache, cache.latest_for(name)) if headset.kind == "text" else None
        if before is None or before.kind == "text":
            cache.set_latest(name, headset.digest)


def set_default(cache: Cache, headset: HeadSet) -> None:
    """Make a kept head set the one that its model's name means, whatever is found or used later.

    It counts as the last used, too.
    """
    cache.set_latest(_default_of(str(headset.model["digest"])), headset.digest)
    cache.set_latest(_LAST, headset.digest)


def default_digest(cache: Cache, model: str) -> tuple[str | None, bool]:
    """Which kept head set a model's name means, and whether `set_default` made it so.

    Else it is the one found, pulled or used last. model: the model's digest.
    """
    chosen = cache.latest_for(_default_of(model))
    return (chosen, True) if chosen is not None else (cache.latest_for(_of_model(model)), False)


def default_instead_of(headset: HeadSet, cache: Cache) -> str | None:
    """The head set that `set_default` made the model's name mean, where that is another than `headset`."""
    chosen, is_set = default_digest(cache, str(headset.model["digest"]))
    if chosen is None or not is_set or chosen == headset.digest or cache.path_of(chosen) is None:
        return None
    return chosen


def last_digest(cache: Cache) -> str | None:
    """Which kept head set is steered where neither heads nor a model are named: the one used last."""
    return cache.latest_for(_LAST)


def note_comics(cache: Cache, comics: Comics) -> None:
    """Remember from which data set of the Hub comics were fetched, if they were."""
    with suppress(ComicsError):
        source = source_of(comics.path)
        if source is not None:
            cache.set_source(comics.digest, f"{source.dataset}@{source.revision}")


def model_source(cache: Cache, headset: HeadSet) -> str:
    """What to load for a head set: the name or folder its model was loaded from last.

    Of a model that was never loaded here, the revision in which the heads were found.
    """
    known, revision = cache.source_of(str(headset.model["digest"])), headset.model.get("revision")
    name = str(headset.model["id"])
    return known or (f"{name}@{revision}" if "/" in name and is_commit(revision) else name)


def model_label(cache: Cache, name: str, digest: str) -> str:
    """How a model is called where people read: one of a folder by the folder's name too.

    What is kept names such a model by its content alone, which tells no two fine-tunes apart.
    """
    source = cache.source_of(digest)
    if source is None or not name.endswith(f"-{digest.removeprefix('sha256:')[:8]}"):
        return name
    base, adapter = split_name(source)
    folders = [Path(base).name, *([adapter.name] if adapter is not None else [])]
    return f"{'+'.join(folders)} ({name})"


def find_headset(spec: str | Path | HeadSet, cache: Cache | None = None, note: Note = log) -> HeadSet:
    """A head set by digest or unique prefix, by file, by model (its newest), or as `hf:OWNER/REPO[@COMMIT]`.

    One that is given is itself. `note` is told which commit was taken where none was named. Raises
    HeadSetError when there is none, or several begin alike, and HubError when the Hub cannot be reached.
    """
    if isinstance(spec, HeadSet):
        return spec
    spec, cache = str(spec), cache or Cache()
    if spec.startswith(SCHEME):
        return fetch_headset(hub_name(spec), cache, note).headset
    path = os.path.expanduser(spec)
    if os.path.isfile(path):
        return _from_file(Path(path))
    if _DIGEST.fullmatch(spec) and not is_folder(spec):
        return headset_of(cache.resolve(spec, KIND), cache)
    return _of_model_named(spec, cache, note)


def pull(name: str, *, cache: Cache | None = None, note: Note = log) -> HeadSet:
    """Fetch the head set of a repository on the Hub, `OWNER/REPO[@COMMIT]`, as its model's newest.

    It is checked, kept in the cache and pinned to the commit, of which `note` is told. Raises HeadSetError
    for a repository that is not there or holds no head set, HubError when the Hub cannot be reached.
    """
    cache = cache if cache is not None else Cache()
    headset = fetch_headset(hub_name(name), cache, note).headset
    note_used(cache, headset)
    return headset


def newest_headset(model: str, name: str, cache: Cache, note: Note = log) -> HeadSet:
    """The default head set of the model with the digest `model`, called `name`, else its newest.

    Raises HeadSetError for none.

    `tiny` has one in the package, which is taken where there is no other, and of which `note` is told.
    """
    found = _get(cache, default_digest(cache, model)[0]) or _get(cache, cache.latest_for(_of_model(model)))
    if found is None and _from_file(PACKAGED).model["digest"] == model:
        found = _packaged(cache, note)
    if found is None:
        raise _none_of(name)
    return found


def named_heads(heads: Heads, cache: Cache | None = None) -> Heads:
    """`heads`, or the head set they name: by a path, or by a text that is no list such as `3.4,3.5`.

    Raises what `find_headset` raises.
    """
    if isinstance(heads, Path) or (isinstance(heads, str) and heads.strip() and not parse_heads(heads)):
        return find_headset(heads, cache)
    return heads


def headset_of(digest: str, cache: Cache) -> HeadSet:
    """The head set of a whole digest.

    Raises HeadSetError when it was damaged, or is no head set.
    """
    found = _get(cache, digest)
    if found is None:
        raise HeadSetError("this head set was damaged", subject=digest, hint="run gaze discover again")
    return found


def last_headset(cache: Cache, note: Note = log) -> HeadSet:
    """The head set used last; that of `tiny` in the package when there was none, of which `note` is told."""
    return _get(cache, cache.latest_for(_LAST)) or _packaged(cache, note)


def _packaged(cache: Cache, note: Note) -> HeadSet:
    """The head set of `tiny` that comes with gaze, kept in the cache from now on."""
    headset = _from_file(PACKAGED)
    digest, path = cache.put(headset.to_artifact())
    note("these are the heads of tiny that come with gaze; find others: gaze discover MODEL COMICS")
    return replace(headset, digest=digest, path=path)


def _of_model_named(spec: str, cache: Cache, note: Note) -> HeadSet:
    """The newest head set of the model called `spec`, which need not be on this machine.

    Raises HeadSetError when there is none, and when `spec` is no model's name either.
    """
    try:
        checkpoint = find_checkpoint(spec, fetch=False)
        checkpoint.config()  # or a folder of anything else would have a digest
        digest = checkpoint.digest(lambda path: file_digest(path, cache.root))
    except ModelError as failure:
        base, _ = split_name(spec)
        name, _, revision = base.partition("@")
        hub_id = resolve_alias(name)
        if failure.code == "model.absent" and hub_id is not None:
            return _of_hub_model(spec, hub_id, revision, cache)
        raise _no_such(spec, failure) from failure
    return newest_headset(digest, spec, cache, note)


def _of_hub_model(spec: str, hub_id: str, revision: str, cache: Cache) -> HeadSet:
    """The newest head set of a model that is not here, such as one that was pulled; HeadSetError for none."""
    for entry in cache.entries():
        model = entry.summary.get("model") if entry.kind == KIND else None
        if isinstance(model, dict) and model.get("id") == hub_id and revision in ("", model.get("revision")):
            chosen, is_set = default_digest(cache, str(model.get("digest")))
            return headset_of(chosen if is_set and chosen is not None else entry.digest, cache)
    raise _none_of(spec)


def _none_of(name: str) -> HeadSetError:
    hint = f"make one: gaze discover {name} COMICS"
    if not is_folder(split_name(name)[0]):
        hint += f", or see what the Hub has: gaze pull {name}"
    return HeadSetError(
        "there is no head set of this model yet",
        subject=name,
        hint=hint,
        code="headset.none",
    )


def _no_such(spec: str, failure: ModelError) -> HeadSetError | ModelError:
    """The error for what names no head set: a folder that is no model keeps the error of the model."""
    if failure.code != "model.unknown" or os.path.isdir(os.path.expanduser(spec)):
        return failure
    if spec.endswith((".safetensors", ".json")) or "/" in spec or os.sep in spec:
        return HeadSetError(
            "there is no such file", subject=spec, hint="check the path", code="headset.missing"
        )
    return HeadSetError(
        "there is no model and no head set with this name",
        subject=spec,
        hint="`gaze models` lists models, `gaze cache ls` the digests of head sets",
        code="headset.unknown",
    )


def _from_file(path: Path) -> HeadSet:
    try:
        artifact = read(path, follow_links=True)
    except CacheError as failure:
        raise HeadSetError(
            failure.message, subject=str(path), hint="give a file that gaze wrote", code="headset.unreadable"
        ) from failure
    return HeadSet.from_artifact(artifact, artifact.digest, path)


def _get(cache: Cache, digest: str | None) -> HeadSet | None:
    artifact = cache.get(digest) if digest is not None else None
    if digest is None or artifact is None:
        return None
    return HeadSet.from_artifact(artifact, digest, cache.path_of(digest))


def _default_of(digest: str) -> str:
    return f"default of {digest}"


def _of_model(digest: str) -> str:
    return f"model:{digest}"
