"""What `gaze cache import` takes and `gaze cache export` gives: artifacts and rankings, told apart.

Knows nothing of how the exchange is shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gazecli.cli.settings import setting
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.cache import Artifact, Cache, Entry

Bound = Annotated[str | None, typer.Option("--model", help="The model a ranking belongs to (or GAZE_MODEL).")]
Form = Annotated[
    Literal["artifact", "ranking"] | None,
    typer.Option(
        "--as", help="artifact: all of it; ranking: layer, head, score in JSON, as in a file named *.json."
    ),
]


def bring_in(cache: Cache, file: Path, model: str | None) -> str:
    """Put the artifact or ranking in `file` into the cache; its digest.

    Raises HeadSetError for what is neither, UsageError for a ranking without a model or an artifact with one.
    """
    from gazecli.heads.ranking_file import is_ranking

    if is_ranking(file):
        named = setting("model", model)
        if named is None:
            message = "a ranking does not say which model it belongs to"
            raise UsageError(message, subject=str(file), hint="add --model MODEL")
        from gazecli.heads.exchange import import_ranking

        return import_ranking(file, named, cache).digest
    if model is not None:
        message = "--model cannot matter for what is no ranking: an artifact names its own model"
        raise UsageError(message, subject=str(file), hint="leave it out")
    return cache.import_file(file, _check)


def take_out(cache: Cache, entry: Entry, dest: Path, form: str | None, force: bool) -> Path:
    """Write what is kept into `dest`, a file or a folder, and return the file written."""
    if form is None:
        form = "ranking" if dest.suffix.lower() == ".json" and not os.path.isdir(dest) else "artifact"
    if form == "artifact":
        return cache.export(entry.digest, dest, overwrite=force)
    from gazecli.heads.exchange import export_ranking
    from gazecli.heads.shelf import headset_of

    return export_ranking(headset_of(entry.digest, cache), dest, overwrite=force)


def _check(artifact: Artifact) -> None:
    from gazecli.heads.headset import KIND, HeadSet
    from gazecli.reports.headsets import report_document

    if artifact.kind == KIND:
        # What could not be shown later is refused now.
        report_document(HeadSet.from_artifact(artifact, artifact.digest))
