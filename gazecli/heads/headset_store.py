"""Head sets by request, by digest, by file, by model, by their name on the Hub, or the one used last.

Where a model of a local folder lies is noted beside the artifacts, never in them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gazecli.cache.artifact import read
from gazecli.cache.file_digests import file_digest
from gazecli.cache.store import Cache
from gazecli.errors import CacheError, ComicsError, HeadSetError, ModelError
from gazecli.heads.headset import KIND, HeadSet
from gazecli.heads.hub import SCHEME, Note, fetch_headset, hub_name, log
from gazecli.models.adapter import split_name
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.head_pairs import Heads, parse_heads
from gazecli.models.snapshot import is_commit
from gazecli.pictures.comics.comics import Comics
from gazecli.pictures.comics.dataset import source_of

_LAST = "headset"


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
    """
    for name in (_LAST, _of_model(str(headset.model["digest"]))):
        before = _get(cache, cache.latest_for(name)) if headset.kind == "text" else None
        if before is None or before.kind == "text":
            cache.set_latest(name, headset.digest)


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
    return _newest_of(spec, cache) or headset_of(cache.resolve(spec, KIND), cache)


def pull(name: str, *, cache: Cache | None = None, note: Note = log) -> HeadSet:
    """Fetch the head set of a repository on the Hub, `OWNER/REPO[@COMMIT]`, as its model's newest.

    It is checked, kept in the cache and pinned to the commit, of which `note` is told. Raises HeadSetError
    for a repository that is not there or holds no head set, HubError when the Hub cannot be reached.
    """
    cache = cache if cache is not None else Cache()
    headset = fetch_headset(hub_name(name), cache, note).headset
    note_used(cache, headset)
    return headset


def newest_headset(model: str, name: str, cache: Cache) -> HeadSet:
    """The newest head set of the model with the digest `model`, called `name`; HeadSetError for none."""
    found = _get(cache, cache.latest_for(_of_model(model)))
    if found is None:
        raise HeadSetError(
            "no head set of this model is stored",
            subject=name,
            hint=f"run: gaze discover {name} COMICS",
            code="headset.none",
        )
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


def last_headset(cache: Cache) -> HeadSet:
    """The head set used last.

    Raises HeadSetError when none was ever made.
    """
    found = _get(cache, cache.latest_for(_LAST))
    if found is None:
        raise HeadSetError(
            "there is no head set yet",
            hint="make one: gaze discover tiny COMICS (comics: gaze comics make COMICS --count 20)",
            code="headset.none",
        )
    return found


def _newest_of(spec: str, cache: Cache) -> HeadSet | None:
    """The newest head set of the model called `spec`, or None when it is no model's name."""
    try:
        checkpoint = find_checkpoint(spec, fetch=False)
    except ModelError:
        return None
    return newest_headset(checkpoint.digest(lambda path: file_digest(path, cache.root)), spec, cache)


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


def _of_model(digest: str) -> str:
    return f"model:{digest}"
