"""Partial results of interrupted work, saved under the key of its request.

Processes that share the work save a part each, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gazecli.cache.artifact import Artifact, is_kind, write_file
from gazecli.cache.artifact_folder import discard, plain_files, read_intact, set_aside
from gazecli.cache.files import make_folder
from gazecli.errors import CacheError

_KIND = "progress"


class PartialResults:
    """One request's partial result: `load` it, `save` it every so often, `clear` it at the end.

    `part` and `parts` are those of processes that share the work; this one is the first. It only spares work:
    what is damaged is set aside with a warning, and a cache that cannot be written is warned of once.
    """

    def __init__(self, path: Path, key: str, aside: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._key = key
        self._aside = aside
        self._warn = warn
        self._failed = False

    def part(self, number: int) -> PartialResults:
        """The part of process `number` of several, counted from 0."""
        if number == 0:
            return self
        path = self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")
        return PartialResults(path, self._key, self._aside, self._warn)

    def parts(self) -> list[PartialResults]:
        """The parts that are there, this one first; CacheError when the cache cannot be read."""
        names = {path.name for path, _ in plain_files(self._path.parent)}
        stem, suffix = self._path.stem, self._path.suffix
        others = [name[len(stem) + 1 : -len(suffix)] for name in names if name.startswith(f"{stem}.")]
        numbers = sorted(int(other) for other in others if other.isascii() and other.isdigit())
        return [self, *(self.part(number) for number in numbers if number > 0)]

    def load(self) -> Artifact | None:
        """What was saved last, or None; CacheError when the cache cannot be read."""
        saved = read_intact(self._path, self._aside, self._warn)
        if saved is None:
            return None
        kind, header = saved.header.get("kind"), saved.header.get("header")
        ours = saved.kind == _KIND and saved.header.get("request") == self._key
        if not (ours and is_kind(kind) and isinstance(header, dict)):
            set_aside(self._path, self._aside, "partial results of something else", self._warn)
            return None
        return Artifact(str(kind), header, saved.tensors)

    def save(self, artifact: Artifact) -> bool:
        """Replace what was saved by `artifact`, in one step; False, with one warning, when that fails."""
        header = {"request": self._key, "kind": artifact.kind, "header": artifact.header}
        try:
            make_folder(self._path.parent)
            write_file(self._path, Artifact(_KIND, header, artifact.tensors))
        except CacheError as error:
            if not self._failed:
                self._warn(f"partial results are not saved: {error}")
            self._failed = True
            return False
        return True

    def clear(self) -> None:
        """Remove what was saved here."""
        with suppress(CacheError):
            discard(self._path)

    def clear_parts(self) -> None:
        """Remove the parts of all processes."""
        with suppress(CacheError):
            for part in self.parts():
                part.clear()
