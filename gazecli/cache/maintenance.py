"""`verify` and `prune`: what in the cache folder is damaged, and what is old enough to be removed."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from gazecli.cache.artifact import MISSING, parse_file_name, read
from gazecli.cache.artifact_folder import Entry, Removed, discard, entries, plain_files
from gazecli.cache.files import (
    ARTIFACTS,
    DAMAGED,
    DIGESTS,
    JUDGEMENTS,
    LATEST,
    LOCKS,
    MODELS,
    PARTIAL_RESULTS,
    REQUESTS,
    TEXTS,
    VERDICTS,
    cache_errors,
    is_temporary,
    is_there,
    read_named,
    read_pointer,
)
from gazecli.cache.journal import is_damaged
from gazecli.canonical import canonical_json
from gazecli.errors import CacheError

# Younger than this, a temporary or lock file may still be in use.
LEFTOVER_SECONDS = 24 * 3600.0

_POINTERS = (REQUESTS, LATEST)
_RECORDS = (MODELS, JUDGEMENTS, DIGESTS)
_AGEING = (PARTIAL_RESULTS, DAMAGED, JUDGEMENTS, DIGESTS, TEXTS, VERDICTS)
_ALL = (ARTIFACTS, LOCKS, MODELS, *_POINTERS, *_AGEING)


@dataclass(frozen=True)
class Damage:
    """A file in the cache that is not what it should be; `digest` is what its name promises, if anything."""

    path: Path
    reason: str
    digest: str | None = None


def verify(root: Path) -> list[Damage]:
    """Read every artifact, partial result and record under `root`; CacheError when that cannot be done."""
    found = [_artifact_damage(path) for path in _everything(root / ARTIFACTS)]
    found += [_partial_damage(path) for path in _everything(root / PARTIAL_RESULTS)]
    for folder, what in ((TEXTS, "text"), (VERDICTS, "verdict")):
        journals = [path for path in _everything(root / folder) if is_damaged(path)]
        found += [Damage(path, f"a {what} that was kept is damaged") for path in journals]
    for name in (*_POINTERS, *_RECORDS):
        read_record = read_pointer if name in _POINTERS else read_named
        for path in _everything(root / name):
            if read_record(path) is None and os.path.lexists(path):
                found.append(Damage(path, "a damaged record"))
    return [damage for damage in found if damage is not None]


def prune(
    root: Path, older_than: float, keep: Collection[str] = (), *, dry_run: bool = False
) -> list[Removed]:
    """Remove artifacts not written for `older_than` seconds, save those in `keep`, and what nothing needs.

    With them go partial results, kept texts and verdicts, damaged files and remembered digests of that age,
    records of that age on models of no artifact, damaged records and those of artifacts that are not there,
    and what killed processes left behind. With `dry_run`, nothing is removed.
    """
    now = time.time()
    kept: list[Entry] = []
    going: list[Entry] = []
    for entry in entries(root / ARTIFACTS):
        old = now - entry.modified >= older_than and entry.digest not in keep
        (going if old else kept).append(entry)
    paths = [entry.path for entry in going]
    for name in _AGEING:
        files = plain_files(root / name)
        paths += [path for path, status in files if now - status.st_mtime >= older_than]
    paths += _unneeded_models(root, now - older_than, kept)
    paths += [path for path in _records(root, _RECORDS) if read_named(path) is None]
    digests = {entry.digest for entry in kept}
    paths += [path for path in _records(root, _POINTERS) if read_pointer(path) not in digests]
    paths += _leftovers(root, now)
    return [gone for path in dict.fromkeys(paths) if (gone := discard(path, dry_run=dry_run))]


def _unneeded_models(root: Path, before: float, kept: Collection[Entry]) -> Iterable[Path]:
    mentioned = "".join(entry.digest + canonical_json(entry.summary) for entry in kept)
    for path, status in plain_files(root / MODELS):
        if status.st_mtime <= before and path.stem not in mentioned:
            yield path


def _records(root: Path, folders: Iterable[str]) -> Iterable[Path]:
    for name in folders:
        yield from (path for path, _ in plain_files(root / name) if not is_temporary(path.name))


def _leftovers(root: Path, now: float) -> Iterable[Path]:
    for name in _ALL:
        for path, status in plain_files(root / name):
            if now - status.st_mtime >= LEFTOVER_SECONDS and (is_temporary(path.name) or name == LOCKS):
                yield path


def _everything(folder: Path) -> list[Path]:
    if not is_there(folder):
        return []
    with cache_errors("read", folder):
        return sorted(folder / name for name in os.listdir(folder) if not is_temporary(name))


def _artifact_damage(path: Path) -> Damage | None:
    named = parse_file_name(path.name)
    if named is None:
        return Damage(path, "it is not named like an artifact")
    kind, digest = named
    try:
        same = read(path, digest).kind == kind
    except CacheError as error:
        return None if error.code == MISSING else Damage(path, error.message, digest)
    return None if same else Damage(path, "it is named like another kind of artifact", digest)


def _partial_damage(path: Path) -> Damage | None:
    try:
        header = read(path).header
    except CacheError as error:
        return None if error.code == MISSING else Damage(path, error.message)
    # Processes that share a request number their files: <request>.<number>.safetensors.
    request = path.name.partition(".")[0]
    return None if header.get("request") == request else Damage(path, "partial results of something else")
