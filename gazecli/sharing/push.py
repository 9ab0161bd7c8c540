"""A head set becomes a repository on the Hub: its files with their evidence, sent as one commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gazecli.cache.artifact import to_bytes
from gazecli.cache.files import write_named_file
from gazecli.cache.store import Cache
from gazecli.canonical import is_digest
from gazecli.errors import HeadSetError, HubError, UsageError, unwritable
from gazecli.heads.headset import HeadSet
from gazecli.heads.hub import (
    DOCUMENT,
    FILE,
    LOGIN,
    HubName,
    Pushed,
    hub_errors,
    hub_name,
    remember_pin,
    without_bars,
)
from gazecli.heads.rankings import ranking_of
from gazecli.reports.documents.sharing import EvidencePart, FilePart, PushDocument
from gazecli.reports.figures import FIGURES as DRAWN
from gazecli.reports.figures.style import png_of
from gazecli.reports.headset import headset_document, report_document
from gazecli.reports.kept_evaluation import kept_blocks
from gazecli.sharing.evidence import Finding, findings
from gazecli.sharing.model_card import FIGURES, RANKING, model_card

CARD = "README.md"
_THEIRS = frozenset({".gitattributes", CARD})  # what a new repository begins with

Note = Callable[[str], None]


@dataclass(frozen=True)
class Package:
    """What a push sends: the files by their names, and what the kept evaluations say of the head set."""

    headset: HeadSet
    repository: str
    files: Mapping[str, bytes]
    findings: Sequence[Finding]

    @property
    def proven(self) -> bool:
        """Whether an evaluation supports the head set."""
        return any(finding.supports for finding in self.findings)

    def write(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the files into a folder, made when missing.

        Raises UsageError, before any is written, for files that are there and differ unless `overwrite`, and
        GazeError when writing fails.
        """
        there = {name: folder / name for name in self.files if os.path.lexists(folder / name)}
        for name, path in there.items():
            if not overwrite and (not path.is_file() or path.read_bytes() != self.files[name]):
                raise UsageError("it exists already", subject=str(path), hint="add --force to replace it")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in self.files.items():
                write_named_file(folder / name, data, durable=False)
        except OSError as error:
            raise unwritable(folder, error) from error


def package(
    headset: HeadSet,
    repository: str,
    *,
    unproven: bool = False,
    datasets: Sequence[str] = (),
    cache: Cache | None = None,
) -> Package:
    """The files that `push` would send to `OWNER/REPO`, without any network.

    datasets: names on the Hub of the comics it was found and evaluated on; those fetched by gaze are known.
    Raises HeadSetError for heads that no kept evaluation supports, unless `unproven`, and for what is no name
    of a repository.
    """
    cache = cache if cache is not None else Cache()
    repository = _unpinned(repository)
    known = report_document(headset)
    found = findings([part for part, _ in kept_blocks(cache, headset.digest)], known.suggested)
    if not unproven and not any(finding.supports for finding in found):
        raise _unsupported(headset, found)
    evaluations = [finding.evaluation for finding in found]
    document = report_document(headset, evaluations=evaluations)
    figures = {name: DRAWN[name][0](document) for name in FIGURES}
    pictures = {name: png_of(figure) for name, figure in figures.items() if figure is not None}
    comics = [known.comics.digest, *(evaluation.comics.digest for evaluation in evaluations)]
    fetched = {each: cache.source_of(each) for each in comics if is_digest(each)}
    sources = {each: source.partition("@")[0] for each, source in fetched.items() if source is not None}
    card = model_card(document, found, repository, datasets, sources, list(pictures))
    elsewhere = replace(headset, path=None, cached=False, resumed_from=0, timing={})
    files = {
        CARD: card.encode("utf-8"),
        FILE: to_bytes(headset.to_artifact()),
        DOCUMENT: headset_document(elsewhere).json_text(indent=1).encode("utf-8"),
        RANKING: ranking_of(headset),
        **{f"{name}.png": data for name, data in pictures.items()},
    }
    return Package(headset, repository, files, found)


def push(
    headset: HeadSet,
    repository: str,
    *,
    private: bool = False,
    pr: bool = False,
    unproven: bool = False,
    datasets: Sequence[str] = (),
    cache: Cache | None = None,
) -> Pushed:
    """Push a head set with its evidence to `OWNER/REPO` on the Hub, which is made when it is missing.

    With `private` nobody else sees it; with `pr` it is offered to the repository's owner as a pull request.
    Raises HeadSetError as `package`, and HubError when the Hub cannot be reached or refuses.
    """
    cache = cache if cache is not None else Cache()
    packed = package(headset, repository, unproven=unproven, datasets=datasets, cache=cache)
    return send(packed, private=private, pr=pr, cache=cache)


def send(packed: Package, *, private: bool = False, pr: bool = False, cache: Cache | None = None) -> Pushed:
    """Push what was packed; as `push`."""
    cache = cache if cache is not None else Cache()
    if private and pr:
        raise UsageError(
            "--private has no effect on a pull request",
            subject=packed.repository,
            hint="a repository's owner decides who sees it: leave --private out",
        )
    with hub_errors(packed.repository), without_bars():
        from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token

        if not constants.is_offline_mode() and get_token() is None:
            raise HubError("nobody is logged in", subject=packed.repository, hint=LOGIN, code="hub.token")
        api = HfApi()
        if not pr:
            api.create_repo(packed.repository, private=private or None, exist_ok=True)
        before = api.model_info(packed.repository, expand=["sha", "siblings", "private"])
        _check_place(packed.repository, before, private)
        operations = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in packed.files.items()
        ]
        done = api.create_commit(
            packed.repository,
            operations,
            commit_message=f"Head set {packed.headset.digest[:19]} of {packed.headset.model['name']}",
            create_pr=pr,
            # What somebody else pushed meanwhile is not written over.
            parent_commit=before.sha,
        )
    pinned = HubName(packed.repository, done.oid)
    if cache.path_of(packed.headset.digest) is not None:
        remember_pin(pinned, packed.headset.digest, cache)
    return Pushed(
        pinned,
        f"{api.endpoint}/{packed.repository}",
        private=bool(before.private),
        pull_request=done.pr_url,
        changed=done.oid != before.sha,
        proven=packed.proven,
    )


def push_document(packed: Package, pushed: Pushed | None = None) -> PushDocument:
    """What `gaze push` prints of what was packed and, if it was, pushed."""
    headset, sent = packed.headset, {}
    if pushed is not None:
        sent = {**vars(pushed), "name": str(pushed.name), "commit": pushed.name.revision}
    return PushDocument(
        digest=headset.digest,
        repository=packed.repository,
        model=headset.model,  # type: ignore[arg-type]
        top=headset.resolve_top(),
        score=headset.resolve_score(),
        evidence=[_evidence_part(finding) for finding in packed.findings],
        files=[_file_part(name, data) for name, data in packed.files.items()],
        **{"proven": packed.proven, **sent},
    )


def _check_place(repository: str, info: object, private: bool) -> None:
    """Refuse to publish what is to be private, and to write over what is no head set."""
    siblings = getattr(info, "siblings", None) or []
    files = {sibling.rfilename for sibling in siblings}
    if private and not getattr(info, "private", False):
        raise UsageError(
            "this repository exists already and is public",
            subject=repository,
            hint="choose another name, or leave --private out",
            code="hub.public",
        )
    if FILE not in files and files - _THEIRS:
        raise UsageError(
            "this repository holds something other than a head set",
            subject=repository,
            hint="choose a new name: its model card would be written over",
            code="hub.occupied",
        )


def _unpinned(repository: str) -> str:
    name = hub_name(repository)
    if name.revision is not None:
        raise UsageError("a push makes its own commit", subject=repository, hint=f"write {name.repository}")
    return name.repository


def _unsupported(headset: HeadSet, found: Sequence[Finding]) -> HeadSetError:
    why = "none is kept" if not found else "; ".join(found[0].against)
    more = f"; {len(found) - 1} more do not either" if len(found) > 1 else ""
    return HeadSetError(
        f"no evaluation supports this head set ({why}{more})",
        subject=headset.digest,
        hint=f"run gaze evaluate {headset.digest[7:19]} COMICS first; with --unproven the card says so",
        code="push.unproven",
    )


def _file_part(name: str, data: bytes) -> FilePart:
    return FilePart(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _evidence_part(finding: Finding) -> EvidencePart:
    evaluation, gaze = finding.evaluation, finding.gaze
    return EvidencePart(
        evaluation=evaluation.digest,
        task=evaluation.task,
        judge=evaluation.judge,
        pictures=evaluation.strips,
        top=evaluation.settings.top,
        strength=evaluation.settings.strength,
        accuracy=None if gaze is None else gaze.accuracy,
        ci95=None if gaze is None else gaze.ci95,
        controls=finding.controls,
        chance=evaluation.chance,
        on_discovery_strips=evaluation.on_discovery_strips,
        discovery_strips=evaluation.discovery_strips,
        against=list(finding.against),
    )
