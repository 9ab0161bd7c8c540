"""How far an interrupted computation got, kept under the name of what was asked for.

Knows nothing of what is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gazecli.cache.artifact_files import DAMAGED, MISSING, read, write_file
from gazecli.cache.artifacts import Artifact
from gazecli.cache.location import make_folder
from gazecli.cache.shelf import discard, set_aside
from gazecli.errors import CacheError

_KIND = "progress"


class Progress:
    """One request's partial result: `load` it, `save` it every so often, `clear` it at the end.

    It only spares work: what is damaged is set aside with a warning, and a cache that cannot be written
    is said once.
    """

    def __init__(self, path: Path, key: str, aside: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._key = key
        self._aside = aside
        self._warn = warn
        self._failed = False

    def load(self) -> Artifact | None:
        """What was saved last, or None; CacheError when the cache cannot be read."""
        try:
            kept = read(self._path)
        except CacheError as error:
            if error.code == DAMAGED:
                set_aside(self._path, self._aside, error, self._warn)
            elif error.code != MISSING:
                raise
            return None
        if kept.kind != _KIND or kept.header.get("request") != self._key:
            foreign = CacheError(
                "the progress of something else",
                subject=str(self._path),
                code=DAMAGED,
                hint="it is computed again",
            )
            set_aside(self._path, self._aside, foreign, self._warn)
            return None
        return Artifact(kept.header["kind"], kept.header["header"], kept.tensors)

    def save(self, artifact: Artifact) -> bool:
        """Replace what was saved by `artifact`, in one step; False, with one warning, when that fails."""
        header = {"request": self._key, "kind": artifact.kind, "header": artifact.header}
        try:
            make_folder(self._path.parent)
            write_file(self._path, Artifact(_KIND, header, artifact.tensors))
        except CacheError as error:
            if not self._failed:
                self._warn(f"progress is not kept: {error}")
            self._failed = True
            return False
        return True

    def clear(self) -> None:
        """Forget what was saved."""
        with suppress(CacheError):
            discard(self._path)
