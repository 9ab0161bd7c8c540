"""The cache: results under the digest of their content, and the requests that gave them.

<root>/artifacts/   <kind>-<digest>.safetensors: the results
<root>/requests/    a request -> the digest of its result
<root>/latest/      a name -> the digest last used under it
<root>/models/      the digest of a model, a head set or comics -> where they came from last
<root>/progress/    partial results of interrupted work
<root>/judgements/  replies of a judge
<root>/texts/       what models wrote while they were evaluated
<root>/verdicts/    how models judged what they wrote
<root>/digests/     digests of files outside the cache
<root>/damaged/     files found damaged
<root>/locks/       held while a request is worked on
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gazecli.cache import files, maintenance
from gazecli.cache.artifact import MISSING, Artifact, file_name, is_intact, read, to_bytes, write
from gazecli.cache.artifact_folder import Entry, Removed, artifacts, discard, entries, read_intact
from gazecli.cache.files import cache_errors, make_folder
from gazecli.cache.journal import Journal
from gazecli.cache.maintenance import Damage
from gazecli.cache.partial_results import PartialResults
from gazecli.canonical import ALGORITHM, document_key, is_digest
from gazecli.errors import CacheError, HeadSetError
from gazecli.plain_text import visible

# After that, two processes do the same work.
WAIT_SECONDS = 3600.0
_LOG = logging.getLogger(__name__)
_MIN_PREFIX = 4
_SHOWN = 5


def _log_warning(message: str) -> None:
    _LOG.warning("%s", visible(message))


class Cache:
    """A cache folder, which need not exist yet; any number of processes may share it.

    `warn` is called with one line for each damaged file and each record that could not be written; by default
    it is logged. Methods raise CacheError when the folder cannot be read or written.
    """

    def __init__(self, root: str | Path | None = None, warn: Callable[[str], None] = _log_warning) -> None:
        self.root = Path(os.path.abspath(root)) if root is not None else files.cache_root()
        self.artifacts = self.root / files.ARTIFACTS
        self.warn = warn

    def ensure_writable(self) -> None:
        """Write and remove a small file, so that long work need not find out at its end; CacheError."""
        probe = files.temporary_file(make_folder(self.artifacts))
        with cache_errors("write", self.artifacts):
            files.write_whole(probe, b"gaze", durable=False)
            os.unlink(probe)

    def put(self, artifact: Artifact) -> tuple[str, Path]:
        """Keep `artifact`; its digest and file."""
        make_folder(self.artifacts)
        digest = artifact.digest
        path = self.artifacts / file_name(artifact.kind, digest)
        if self._read_intact(path, digest) is None:
            write(self.artifacts, artifact)
        return digest, path

    def get(self, digest: str) -> Artifact | None:
        """The artifact `digest`, or None; a damaged one is set aside with a warning and counts as absent."""
        path = self.path_of(digest)
        return self._read_intact(path, digest) if path is not None else None

    def path_of(self, digest: str) -> Path | None:
        """The file of the artifact `digest`, unread, or None; HeadSetError when that is no whole digest."""
        if not is_digest(digest):
            raise _malformed(digest)
        return next((path for _, named, path, _ in artifacts(self.artifacts) if named == digest), None)

    def resolve(self, prefix: str, kind: str | None = None) -> str:
        """The one digest here, of `kind` if given, that begins like `prefix`; HeadSetError names candidates.

        `prefix` is 4 to 64 hex digits, with or without `sha256:`.
        """
        wanted = prefix.strip().lower().removeprefix(ALGORITHM)
        if not _MIN_PREFIX <= len(wanted) <= 64 or set(wanted) - set("0123456789abcdef"):
            raise _malformed(prefix)
        matching = {
            digest
            for named, digest, _, _ in artifacts(self.artifacts)
            if digest.startswith(ALGORITHM + wanted) and kind in (None, named)
        }
        digests = sorted(matching)
        if not digests:
            raise _unknown(prefix)
        if len(digests) > 1:
            shown = ", ".join(digests[:_SHOWN]) + (", …" if len(digests) > _SHOWN else "")
            raise HeadSetError(
                f"{len(digests)} digests in the cache begin like this",
                subject=prefix,
                hint=f"give more digits of one of {shown}",
                code="headset.ambiguous",
            )
        return digests[0]

    def entries(self) -> list[Entry]:
        """What is here, newest first, from names and headers alone."""
        return entries(self.artifacts)

    def remember(self, request: Mapping[str, Any], digest: str) -> None:
        """Record that `digest` is the result of `request`, a JSON document; a failure is only warned of."""
        self._set_pointer(self._file(files.REQUESTS, request, ".json"), digest)

    def recall(self, request: Mapping[str, Any]) -> str | None:
        """The digest recorded for `request` while its artifact is here, or None."""
        return self._pointer(self._file(files.REQUESTS, request, ".json"))

    def set_latest(self, name: str, digest: str) -> None:
        """Record `digest` as what was used last under any `name`; a failure is only warned of."""
        self._set_pointer(self._latest_file(name), digest)

    def latest_for(self, name: str) -> str | None:
        """The digest last recorded under `name` while its artifact is here, or None."""
        return self._pointer(self._latest_file(name))

    def set_source(self, digest: str, source: str) -> None:
        """Record where the model, head set or comics `digest` came from; a failure is only warned of."""
        record = partial(files.write_named, record={"source": source})
        self._record("where it came from", self._model_file(digest), record)

    def source_of(self, digest: str) -> str | None:
        """Where the model, head set or comics `digest` came from last, or None."""
        record = files.read_named(self._model_file(digest)) if is_digest(digest) else None
        source = (record or {}).get("source")
        return source if isinstance(source, str) else None

    def partial_results(self, request: Mapping[str, Any]) -> PartialResults:
        """Where partial results of `request` are saved."""
        path = self._file(files.PARTIAL_RESULTS, request, ".safetensors")
        return PartialResults(path, path.stem, self.root / files.DAMAGED, self.warn)

    def journal(self, request: Mapping[str, Any], folder: str = files.TEXTS) -> Journal:
        """Where the texts, or in another `folder` the verdicts, of `request` are kept as they are made."""
        return Journal(self._file(folder, request, ".jsonl"), self.warn)

    @contextmanager
    def working_on(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float = WAIT_SECONDS,
        on_wait: Callable[[], None] | None = None,
    ) -> Iterator[bool]:
        """Inside, other processes wait at the same `request` up to `timeout` seconds; yields whether they do.

        `on_wait` is called once before this one waits. A lock only spares double work: where locking is not
        supported, or takes too long, work goes on without. Ask `recall` again inside: the one waited for may
        have done the work.
        """
        path = self._file(files.LOCKS, request, ".lock")
        # Never a soft lock, which outlives the process that is killed.
        lock = FileLock(path, poll_interval=0.1, fallback_to_soft=False)
        try:
            with suppress(CacheError, OSError):
                make_folder(path.parent)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    if on_wait is not None and timeout > 0:
                        on_wait()
                    lock.acquire(timeout=timeout)
            yield lock.is_locked
        finally:
            if lock.is_locked:
                # Removed before it is free: whoever waits for it sees that and makes a new one.
                with suppress(OSError):
                    os.unlink(path)
                with suppress(OSError):
                    lock.release()

    def verify(self) -> list[Damage]:
        """Every damaged file in the cache, all of them read whole; nothing is moved."""
        return maintenance.verify(self.root)

    def remove(self, digests: Iterable[str], *, dry_run: bool = False) -> list[Removed]:
        """Remove these artifacts; HeadSetError, before any is gone, for one that is not here."""
        listed = {digest: path for _, digest, path, _ in artifacts(self.artifacts)}
        wanted = list(dict.fromkeys(digests))
        for digest in wanted:
            if digest not in listed:
                raise _unknown(digest) if is_digest(digest) else _malformed(digest)
        return [gone for digest in wanted if (gone := discard(listed[digest], dry_run=dry_run))]

    def prune(self, older_than: float, keep: Collection[str] = (), *, dry_run: bool = False) -> list[Removed]:
        """Remove artifacts not written for `older_than` seconds, save those in `keep`, and leftovers."""
        return maintenance.prune(self.root, older_than, keep, dry_run=dry_run)

    def export(self, digest: str, destination: str | Path, *, overwrite: bool = False) -> Path:
        """Copy the artifact `digest` to a file, or into a folder under its own name; returns the file.

        HeadSetError when it is not here or damaged; UsageError when the destination exists, or its folder
        does not; GazeError (`output.unwritable`) when writing fails.
        """
        artifact = self.get(digest)
        if artifact is None:
            raise _unknown(digest)
        return save_artifact(artifact, Path(destination), overwrite=overwrite)

    def import_file(self, source: str | Path, check: Callable[[Artifact], None] | None = None) -> str:
        """Put the artifact in file `source` into the cache and return its digest.

        `check` may raise to refuse it first. HeadSetError when the file is not an intact artifact.
        """
        try:
            artifact = read(Path(source), follow_links=True)
        except CacheError as error:
            raise HeadSetError(
                "no such file" if error.code == MISSING else error.message,
                subject=str(source),
                hint="give a file that gaze cache export wrote, or a JSON ranking of heads",
                code="headset.unreadable",
            ) from error
        if check is not None:
            check(artifact)
        return self.put(artifact)[0]

    def _read_intact(self, path: Path, digest: str) -> Artifact | None:
        return read_intact(path, self.root / files.DAMAGED, self.warn, digest)

    def _file(self, folder: str, request: Mapping[str, Any], suffix: str) -> Path:
        return self.root / folder / f"{document_key(request)}{suffix}"

    def _latest_file(self, name: str) -> Path:
        key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self.root / files.LATEST / f"{key}.json"

    def _model_file(self, digest: str) -> Path:
        if not is_digest(digest):
            raise _malformed(digest)
        return self.root / files.MODELS / f"{digest.removeprefix(ALGORITHM)}.json"

    def _set_pointer(self, path: Path, digest: str) -> None:
        if not is_digest(digest):
            raise _malformed(digest)
        self._record("what was done last", path, partial(files.write_pointer, digest=digest))

    def _record(self, what: str, path: Path, write: Callable[[Path], None]) -> None:
        try:
            make_folder(path.parent)
            with cache_errors("write", path):
                write(path)
        except CacheError as error:
            self.warn(f"{what} is not recorded: {error}")

    def _pointer(self, path: Path) -> str | None:
        digest = files.read_pointer(path)
        return digest if digest is not None and self.path_of(digest) is not None else None


def save_artifact(artifact: Artifact, destination: Path, *, overwrite: bool = False) -> Path:
    """Write `artifact` to a file, or into a folder under its own name; returns the file.

    UsageError when another file is there, or no folder for it; GazeError (`output.unwritable`) when writing
    fails.
    """
    digest = artifact.digest
    is_same = partial(is_intact, digest=digest)
    name = file_name(artifact.kind, digest)
    return files.export_file(to_bytes(artifact), destination, name, is_same, overwrite=overwrite)


def _unknown(digest: str) -> HeadSetError:
    """The error for a digest, or the beginning of one, that nothing in the cache has."""
    return HeadSetError(
        "nothing in the cache has this digest",
        subject=digest,
        hint="see what is there: gaze cache ls",
        code="headset.unknown",
    )


def _malformed(digest: str) -> HeadSetError:
    """The error for what is neither a digest nor the beginning of one."""
    return HeadSetError(
        "not a digest",
        subject=digest,
        hint=f"give at least {_MIN_PREFIX} hex digits of one that gaze cache ls shows",
        code="headset.invalid",
    )
