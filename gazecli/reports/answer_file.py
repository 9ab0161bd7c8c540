"""The file of the answers about many pictures: written line by line, and read by the call that resumes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from gazecli.cache.files import write_named_file
from gazecli.canonical import canonical_json, parse_json, read_bytes
from gazecli.errors import UsageError, unwritable
from gazecli.steering.jobs import Job, JobResult, OpenJob

_BEGINNING = b'{"schema": "gaze.'
_MOST_BYTES = 1 << 32
_HINT = "name a new file, or one that gaze steer --output wrote"


class AnswerFile:
    """The lines of `path`, by the id of their job.

    Read when it is opened: an answer stays, an error is forgotten, so that its job is done again. Half a line
    at the end, of a call that was killed, is cut off. With `replace_read_only`, a read-only file gives way to
    one of the same lines. Raises UsageError for a file of something else, GazeError when it cannot be
    written.
    """

    def __init__(self, path: Path, *, replace_read_only: bool = False) -> None:
        self.path = path
        self._lines: list[tuple[str, bytes]] = []
        self._jobs: dict[str, str] = {}
        self._places: dict[str, int] = {}
        written = self._read() if path.exists() else b""
        locked = replace_read_only and path.exists() and not path.stat().st_mode & 0o222
        if locked or sum(len(line) for _, line in self._lines) != len(written):
            self._rewrite()

    def _read(self) -> bytes:
        if not self.path.is_file():
            raise UsageError("--output needs a file", subject=str(self.path), hint=_HINT)
        written = read_bytes(self.path, _MOST_BYTES, "the output file", UsageError, _HINT)
        *lines, half = written.split(b"\n")
        if not half.startswith(_BEGINNING[: len(half)]):
            raise self._foreign(len(lines) + 1)
        for number, line in enumerate(lines, 1):
            try:
                document = parse_json(line)
                kind, name = document["schema"], canonical_json(document["id"])
                if kind == "gaze.steer/1":
                    self._jobs[name] = document["job"]
                    self._lines.append((name, line + b"\n"))
                elif kind != "gaze.error/1":
                    raise ValueError(kind)
            except (ValueError, KeyError, TypeError) as error:
                raise self._foreign(number) from error
        return written

    def _foreign(self, line: int) -> UsageError:
        return UsageError(
            f"line {line} of the output file is not an answer", subject=str(self.path), hint=_HINT
        )

    def has(self, opened: OpenJob) -> bool:
        """Whether the answers of this job are there.

        Raises UsageError when there are answers of its id to something else.
        """
        name = canonical_json(opened.job.id)
        known = self._jobs.get(name)
        if known not in (None, opened.digest()):
            raise UsageError(
                "the output file has another answer to this job: its picture, settings or heads have changed",
                subject=f"{self.path}, id {name}",
                hint="name another --output file, or give the same settings",
            )
        return known is not None

    def distinct(self, jobs: Iterable[Job | JobResult]) -> Iterator[Job | JobResult]:
        """The jobs, whose order is remembered; one whose id an earlier one had has failed."""
        for job in jobs:
            name = canonical_json(job.id)
            if name in self._places:
                hint = "with --output, give every job an id of its own"
                error = UsageError("two jobs have this id", subject=name, hint=hint, code="job.invalid")
                yield JobResult(job.id, error=error)
            else:
                self._places[name] = len(self._places)
                yield job

    def add(self, line: str) -> None:
        """Write one line; GazeError when that fails."""
        data = line.encode("utf-8")
        self._lines.append((canonical_json(json.loads(line)["id"]), data))
        try:
            with self.path.open("ab", buffering=0) as file:
                while data:
                    data = data[file.write(data) :]
        except OSError as error:
            raise unwritable(self.path, error) from error

    def put_in_order(self) -> None:
        """Bring the lines into the order of the jobs, where a resumed call did errors again.

        Those of no job of this call come last.
        """
        last = len(self._places)
        ordered = sorted(self._lines, key=lambda line: self._places.get(line[0], last))
        if ordered != self._lines:
            self._lines = ordered
            self._rewrite()

    def _rewrite(self) -> None:
        try:
            write_named_file(self.path, b"".join(line for _, line in self._lines))
        except OSError as error:
            raise unwritable(self.path, error) from error
