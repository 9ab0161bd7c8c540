"""Head sets on the Hub: fetched by the name `hf:OWNER/REPO@COMMIT`, checked, and pinned to that commit.

What lies there is other people's: safetensors and JSON are read, both of bounded size, and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.artifact import read
from gazecli.cache.store import Cache
from gazecli.canonical import read_json
from gazecli.errors import CacheError, GazeError, HeadSetError, HubError, unwritable
from gazecli.heads.headset import HeadSet
from gazecli.models.snapshot import is_commit, transfer_bar
from gazecli.plain_text import error_words

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

SCHEME = "hf:"
FILE, DOCUMENT = "headset.safetensors", "headset.json"
MAX_BYTES = {FILE: 1 << 28, DOCUMENT: 1 << 24}

Note = Callable[[str], None]
log: Note = logging.getLogger(__name__).info
_OF_A_DISK = {errno.ENOSPC, errno.EROFS, errno.EACCES, getattr(errno, "EDQUOT", errno.ENOSPC)}
LOGIN = "log in: hf auth login, or set HF_TOKEN"
_CHECK_NAME = "check the name; a private repository needs `hf auth login`"


@dataclass(frozen=True)
class HubName:
    """A repository on the Hub and, where one was named, its revision: a commit, a branch or a tag."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @property
    def is_pinned(self) -> bool:
        """Whether it names a whole commit, which never changes."""
        return is_commit(self.revision)


@dataclass(frozen=True)
class Pulled:
    """A head set of the Hub; `name` is pinned to its commit. cached: it was here, and nobody was asked."""

    headset: HeadSet
    name: HubName
    cached: bool


@dataclass(frozen=True)
class Pushed:
    """A head set on the Hub at the commit of `name`; pull_request: the address of the one that offers it.

    changed: False where the repository held the same before, and no commit was made. proven: whether an
    evaluation supports the head set.
    """

    name: HubName
    url: str
    private: bool
    pull_request: str | None
    changed: bool
    proven: bool


def hub_name(text: str) -> HubName:
    """`[hf:]OWNER/REPO[@REVISION]` in parts. Raises HeadSetError when it is none."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    repository, at, revision = text.strip().removeprefix(SCHEME).partition("@")
    try:
        validate_repo_id(repository)
        if repository.count("/") != 1 or (at and not re.fullmatch(r"[\w./-]{1,200}", revision, re.ASCII)):
            raise HFValidationError
    except HFValidationError:
        raise HeadSetError(
            "not the name of a head set on the Hub",
            subject=text,
            hint="write OWNER/REPO, or OWNER/REPO@COMMIT",
            code="hub.name",
        ) from None
    return HubName(repository, revision or None)


def fetch_headset(name: HubName, cache: Cache, note: Note = log) -> Pulled:
    """The head set of a repository, into the cache; one that is there by its commit is taken from there.

    `note` is told which commit was taken where none was named. Raises HeadSetError for a repository or commit
    that is not there and for what is no head set, HubError when the Hub cannot be reached or a file was
    changed on the way.
    """
    if name.is_pinned and (known := _pinned(name, cache)) is not None:
        return known
    try:
        with hub_errors(name.repository):
            from huggingface_hub import HfApi

            commit = str(HfApi().model_info(name.repository, revision=name.revision, expand=["sha"]).sha)
    except HubError as failure:
        last = None if name.revision else _last(name, cache)
        if last is None or failure.code not in ("hub.offline", "hub.unreachable"):
            raise
        note(f"{failure.message}: taking {last.name}, which was pulled last")
        return last
    pinned = HubName(name.repository, commit)
    if not name.is_pinned:
        note(f"{name}: taking commit {commit}")
    pulled = _pinned(pinned, cache) or _fetched(pinned, cache)
    cache.set_latest(_last_of(name), pulled.headset.digest)
    return pulled


def remember_pin(name: HubName, digest: str, cache: Cache) -> None:
    """Record that the head set `digest` lies in the Hub's commit `name`."""
    cache.remember(_request(name), digest)


def _pinned(name: HubName, cache: Cache) -> Pulled | None:
    """The head set of a commit, if it is in the cache."""
    digest = cache.recall(_request(name))
    artifact = None if digest is None else cache.get(digest)
    if digest is None or artifact is None:
        return None
    return Pulled(HeadSet.from_artifact(artifact, digest, cache.path_of(digest)), name, cached=True)


def _last(name: HubName, cache: Cache) -> Pulled | None:
    """What was pulled last from the repository, whichever commit that was."""
    digest = cache.latest_for(_last_of(name))
    source = cache.source_of(digest) if digest is not None else None
    pinned = hub_name(source) if source is not None and source.startswith(SCHEME) else None
    return None if pinned is None or pinned.repository != name.repository else _pinned(pinned, cache)


def _fetched(name: HubName, cache: Cache) -> Pulled:
    with hub_errors(name.repository):
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        told = HfApi().get_paths_info(name.repository, [FILE, DOCUMENT], revision=name.revision)
    files = {each.path: each for each in told if isinstance(each, RepoFile)}
    if FILE not in files:
        raise HeadSetError(
            f"this repository holds no head set, it has no {FILE}",
            subject=str(name),
            hint="`gaze pull MODEL` lists the head sets of a model",
            code="hub.no_headset",
        )
    for each, file in files.items():
        if file.size > MAX_BYTES[each]:
            raise _refused(f"{each} has {file.size} bytes, more than any head set needs", name)
    try:
        artifact = read(_download(name, files[FILE]), follow_links=True)
    except CacheError as failure:
        raise _refused(f"its {FILE} is {failure.message}", name) from failure
    headset = HeadSet.from_artifact(artifact, artifact.digest)
    if DOCUMENT in files:
        path = _download(name, files[DOCUMENT])
        document = read_json(path, MAX_BYTES[DOCUMENT], DOCUMENT, HeadSetError, "take another head set")
        if not isinstance(document, dict) or document.get("digest") != headset.digest:
            raise _refused(f"its {DOCUMENT} is about another head set than its {FILE}", name)
    cache.put(artifact)
    remember_pin(name, headset.digest, cache)
    cache.set_source(headset.digest, str(name))
    path_here = cache.path_of(headset.digest)
    return Pulled(HeadSet.from_artifact(artifact, headset.digest, path_here), name, cached=False)


def _download(name: HubName, file: RepoFile) -> Path:
    """A file of a commit, whose bytes are those that the Hub's tree tells of."""
    from huggingface_hub import hf_hub_download

    for again in (False, True):  # what was changed on its way here before is fetched once more
        with hub_errors(name.repository):
            path = Path(
                hf_hub_download(
                    name.repository,
                    file.path,
                    revision=name.revision,
                    force_download=again,
                    tqdm_class=transfer_bar(),
                )
            )
            if _is_as_told(path, file):
                return path
    raise HubError(
        "a file has other bytes than the Hub lists",
        subject=f"{name}: {file.path}",
        hint="something between here and the Hub changes files: pull it over another network",
        code="hub.changed",
    )


def _is_as_told(path: Path, file: RepoFile) -> bool:
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as data:
        if file.lfs is not None:
            return hashlib.file_digest(data, "sha256").hexdigest() == file.lfs.sha256
        blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        blob.update(data.read())
        return blob.hexdigest() == file.blob_id


@contextmanager
def without_bars() -> Iterator[None]:
    """Inside, huggingface_hub draws no bars of its own."""
    from huggingface_hub import utils

    drawn = not utils.are_progress_bars_disabled()  # type: ignore[attr-defined]
    if drawn:
        utils.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if drawn:
            utils.enable_progress_bars()  # type: ignore[attr-defined]


@contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """Turn what the network, the disk and the Hub raise inside into an error that says what to do."""
    try:
        yield
    except GazeError:
        raise
    except Exception as failure:  # they fail in many ways
        raise _as_gaze_error(failure, repository) from failure


def _as_gaze_error(failure: Exception, repository: str) -> GazeError:
    from huggingface_hub import constants, errors, get_token

    if isinstance(failure, RuntimeError) and isinstance(failure.__cause__, Exception):
        failure = failure.__cause__  # of a file that was not uploaded

    def refused(message: str, hint: str, code: str) -> GazeError:
        return HubError(message, subject=repository, hint=hint, code=code)

    status = failure.response.status_code if isinstance(failure, errors.HfHubHTTPError) else None
    if constants.is_offline_mode() and status is None:
        return refused("the Hub is not asked, HF_HUB_OFFLINE is set", "unset it", "hub.offline")
    if isinstance(failure, errors.GatedRepoError):
        hint = "ask on its page, then `hf auth login`"
        return refused("its owner gives access on request", hint, "hub.gated")
    if isinstance(failure, errors.RevisionNotFoundError):
        return HeadSetError(
            "the repository has no such commit",
            subject=repository,
            hint=f"its newest: gaze pull {repository}",
            code="hub.revision",
        )
    if isinstance(failure, errors.RepositoryNotFoundError) and (status == 404 or get_token() is None):
        return HeadSetError(
            "the Hub shows no such repository", subject=repository, hint=_CHECK_NAME, code="hub.repository"
        )
    if status == 401:
        return refused("the Hub does not accept your token", LOGIN, "hub.token")
    if status == 403:
        hint = "name a repository of yours, with a token that may write; or offer it to its owner with --pr"
        return refused("you have no right to do this", hint, "hub.rights")
    if status in (409, 412):
        return refused("the repository was changed meanwhile", "run it again", "hub.conflict")
    if status == 429:
        return refused("the Hub gets too many requests from you", "wait some minutes", "hub.busy")
    if status is not None:
        return refused(
            f"the Hub answers {status} ({error_words(failure)})", "try it again later", "hub.failed"
        )
    if isinstance(failure, OSError) and (failure.filename or failure.errno in _OF_A_DISK):
        return unwritable(failure.filename or constants.HF_HUB_CACHE, failure, code="hub.disk")
    # Releases of huggingface_hub speak HTTP by different libraries; in each, this is the network's error.
    is_transport = any(kind.__name__ == "TransportError" for kind in type(failure).__mro__)
    if isinstance(failure, OSError) or is_transport:
        hint = "check the network, then run it again"
        return refused(f"the Hub cannot be reached ({error_words(failure)})", hint, "hub.unreachable")
    kind = type(failure).__name__
    hint = "try it again later; check HF_ENDPOINT where it is set"
    return refused(f"the Hub's answer is not understood ({kind}: {error_words(failure)})", hint, "hub.failed")


def _refused(message: str, name: HubName) -> HeadSetError:
    hint = "take another commit, or another head set, and tell its owner"
    return HeadSetError(message, subject=str(name), hint=hint, code="hub.damaged")


def _request(name: HubName) -> dict[str, Any]:
    return {"what": "pull", "repository": name.repository, "commit": name.revision}


def _last_of(name: HubName) -> str:
    return f"hub:{name.repository}"
