"""`gaze cache …`: list, verify, remove, import and export what is kept."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.options import DRY_RUN, FORCE, MODEL, setting, with_help
from gazecli.cli.output import Output, is_terminal
from gazecli.cli.tables import age_text, print_facts, print_table, show_evaluation, size_text
from gazecli.errors import CheckFailed, UsageError, cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.cache import Artifact, Cache, Entry, Removed
    from gazecli.reports.documents.evaluation import EvaluationPart
    from gazecli.reports.documents.housekeeping import ArtifactPart, CacheDocument


NAME = "cache"
SUMMARY = "List, verify, remove, import and export what is kept."
_AGE = re.compile(r"(\d{1,6})(s|m|h|d|w)?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

RankedModel = Annotated[str | None, with_help(MODEL, "The model a ranking belongs to.", default="GAZE_MODEL")]
Digests = Annotated[list[str], typer.Argument(metavar="DIGEST...", help="Digests or beginnings of digests.")]
OneDigest = Annotated[str, typer.Argument(metavar="DIGEST", help="A digest or the beginning of one.")]
DryRun = Annotated[bool, with_help(DRY_RUN, "Only say what would be removed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@cli_command()
def ls(output: Output) -> None:
    """List what is kept, newest first.

    A star marks the head set that its model's name means: the one that `gaze cache default` set, else the one
    found, pulled or used last.

    Example: gaze cache ls
    """
    cache = _open(output)
    entries = cache.entries()
    measured = _measured(entries)
    document = _document("ls", cache, artifacts=[_part(cache, entry, measured) for entry in entries])
    labels = [_label(cache, entry) for entry in entries]
    output.result(document, lambda console: _show_list(console, document, labels))


@cli_command()
def show(output: Output, digest: OneDigest) -> None:
    """Show what one artifact is.

    Example: gaze cache show 3f9c
    """
    cache = _open(output)
    entry = _entry(cache, digest)
    document = _document("show", cache, artifacts=[_part(cache, entry)], header=entry.summary)

    def human(console: Console) -> None:
        facts = document.artifacts[0].model_dump(exclude={"age_seconds"})
        evaluation = _evaluation(cache, entry)
        print_facts(console, {**facts, **_flat({} if evaluation else entry.summary)})
        if evaluation is not None:
            show_evaluation(console, evaluation)

    output.result(document, human)


@cli_command()
def path(
    output: Output,
    digest: Annotated[
        str | None, typer.Argument(metavar="DIGEST", help="An artifact.", show_default="the cache folder")
    ] = None,
) -> None:
    """Print where the cache or an artifact is.

    Example: gaze cache path 3f9c
    """
    cache = _open(output)
    place = _entry(cache, digest).path if digest is not None else cache.root
    document = _document("path", cache, file=str(place))
    output.result(document, lambda console: print_facts(console, {"path": place}))


@cli_command()
def verify(output: Output) -> None:
    """Read everything that is kept and compare it with its digest.

    Example: gaze cache verify
    """
    from gazecli.reports.documents.housekeeping import DamagePart

    cache = _open(output)
    damaged = [DamagePart(path=str(found.path), reason=found.reason) for found in cache.verify()]
    listed = [_part(cache, entry) for entry in cache.entries()]
    document = _document("verify", cache, artifacts=listed, damaged=damaged)

    def human(console: Console) -> None:
        if damaged:
            print_table(console, "damaged why", [[found.path, found.reason] for found in damaged])
        else:
            console.print(f"{len(listed)} artifacts, all of them whole")

    output.result(document, human)
    if damaged:
        raise CheckFailed(
            f"{len(damaged)} damaged files in the cache",
            subject=damaged[0].path,
            hint="they are never used: artifacts met are set aside, notes go with gaze cache prune",
            code="cache.damaged",
        )


@cli_command()
def rm(output: Output, digests: Digests, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remove artifacts.

    Example: gaze cache rm 3f9c --dry-run
    """
    cache = _open(output)

    def remove(dry: bool) -> Sequence[Removed]:
        return cache.remove([cache.resolve(digest) for digest in digests], dry_run=dry)

    _remove(output, "rm", cache, remove, dry_run, yes)


@cli_command()
def prune(
    output: Output,
    *,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="An age such as 12h, 30d or 8w.")] = "30d",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove what is old, and what interrupted work left behind.

    Example: gaze cache prune --older-than 8w --yes
    """
    cache = _open(output)

    def remove(dry: bool) -> Sequence[Removed]:
        return cache.prune(parse_age(older_than), dry_run=dry)

    _remove(output, "prune", cache, remove, dry_run, yes)


@cli_command()
def import_(
    output: Output,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What `gaze cache export` wrote, or a JSON ranking of layer, head, score."
        ),
    ],
    *,
    model: RankedModel = None,
) -> None:
    """Put an artifact, or a ranking of heads that others made, into the cache.

    Example: gaze cache import ranking.json --model tiny
    """
    from gazecli.heads.rankings import import_ranking, is_ranking

    cache = _open(output)
    if is_ranking(file):
        named = setting("model", model)
        if named is None:
            hint = "add --model MODEL"
            raise UsageError("a ranking does not name its model", subject=str(file), hint=hint)
        digest = import_ranking(file, named, cache).digest
    elif model is not None:
        raise cannot_matter("model", "for an artifact, which names its own model", subject=file)
    else:
        digest = cache.import_file(file, _check)
    document = _document("import", cache, artifacts=[_part(cache, _entry(cache, digest))], file=str(file))
    output.result(document, lambda console: print_facts(console, {"imported": digest}), digest=digest)


@cli_command()
def export(
    output: Output,
    digest: OneDigest,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="A new file, or a folder.")],
    *,
    form: Annotated[
        Literal["artifact", "ranking"] | None,
        typer.Option(
            "--as",
            metavar="FORM",
            help="artifact: all of it · ranking: layer, head, score in JSON.",
            show_default="artifact; into a file named *.json: ranking",
        ),
    ] = None,
    force: Annotated[bool, FORCE] = False,
) -> None:
    """Copy an artifact, or a head set's ranking, out of the cache.

    Example: gaze cache export 3f9c ranking.json
    """
    cache = _open(output)
    entry = _entry(cache, digest)
    if form is None:
        form = "ranking" if dest.suffix.lower() == ".json" and not os.path.isdir(dest) else "artifact"
    if form == "artifact":
        written = cache.export(entry.digest, dest, overwrite=force)
    else:
        from gazecli.heads.headset_store import headset_of
        from gazecli.heads.rankings import export_ranking

        written = export_ranking(headset_of(entry.digest, cache), dest, overwrite=force)
    document = _document("export", cache, artifacts=[_part(cache, entry)], file=str(written))
    facts: dict[str, object] = {"exported": entry.digest, "to": written}
    output.result(document, lambda console: print_facts(console, facts), digest=entry.digest)


@cli_command()
def default(output: Output, digest: OneDigest) -> None:
    """Make a head set the one that its model's name means, whatever is found or used later.

    Example: gaze cache default 3f9c
    """
    from gazecli.heads.headset import KIND
    from gazecli.heads.headset_store import headset_of, set_default

    cache = _open(output)
    headset = headset_of(cache.resolve(digest, KIND), cache)
    set_default(cache, headset)
    entry = _entry(cache, headset.digest)
    document = _document("default", cache, artifacts=[_part(cache, entry)])
    facts: dict[str, object] = {"default": headset.digest, "of": _label(cache, entry)}
    output.result(document, lambda console: print_facts(console, facts), digest=headset.digest)


COMMANDS = (ls, show, default, path, verify, rm, prune, import_, export)


def parse_age(text: str) -> float:
    """Seconds of `12h`, `30d`, `8w`, or of plain seconds; UsageError for anything else."""
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError("this is not an age", subject=text, hint="e.g. 12h, 30d or 8w", code="usage.age")
    return float(int(match[1]) * _SECONDS[match[2] or "s"])


def _open(output: Output) -> Cache:
    from gazecli.cache import Cache

    return Cache(warn=output.warning)


def _entry(cache: Cache, prefix: str) -> Entry:
    digest = cache.resolve(prefix)
    return next(entry for entry in cache.entries() if entry.digest == digest)


def _remove(
    output: Output,
    action: Literal["rm", "prune"],
    cache: Cache,
    remove: Callable[[bool], Sequence[Removed]],
    dry_run: bool,
    yes: bool,
) -> None:
    """Confirm, remove and print; `remove` only returns what it would remove when it is called with True."""
    from gazecli.reports.documents.housekeeping import RemovedPart

    if dry_run and yes:
        raise cannot_matter("yes", "with --dry-run, which removes nothing", "keep one of them")
    files = remove(True)
    if not dry_run:
        if files and not yes:
            _confirm(f"{len(files)} files ({_size(files)})")
        files = remove(False)
    parts = [
        RemovedPart(path=str(file.path), bytes=file.bytes, kind=file.kind, digest=file.digest)
        for file in files
    ]

    def human(console: Console) -> None:
        if files:
            rows = [[file.kind, file.path.name, size_text(file.bytes)] for file in files]
            print_table(console, "kind file >size", rows)
        console.print(f"{len(files)} files {'would be removed' if dry_run else 'removed'}, {_size(files)}")

    output.result(_document(action, cache, removed=parts, dry_run=dry_run), human)


def _confirm(what: str) -> None:
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageError(
            f"{what} would be removed, and no terminal can confirm it",
            hint="add --yes to remove them, or --dry-run to see them",
        )
    typer.confirm(f"Remove {what}?", abort=True, err=True)


def _size(files: Sequence[Removed]) -> str:
    return size_text(sum(file.bytes for file in files))


def _document(action: str, cache: Cache, **content: Any) -> CacheDocument:
    from gazecli.reports.documents.housekeeping import CacheDocument

    return CacheDocument(action=action, path=str(cache.root), **content)  # type: ignore[arg-type]


def _part(
    cache: Cache, entry: Entry, measured: Mapping[str, tuple[float, str]] | None = None
) -> ArtifactPart:
    """`measured`: what evaluations gave for each head set, read from the cache where left out."""
    from gazecli.evaluation.store import evaluation_summary
    from gazecli.reports.documents.housekeeping import ArtifactPart

    of_headset: dict[str, Any] = {}
    if entry.kind == "headset":
        if measured is None:
            measured = _measured(cache.entries())
        of_headset = _of_headset(cache, entry, measured)

    return ArtifactPart(
        digest=entry.digest,
        kind=entry.kind,
        path=str(entry.path),
        bytes=entry.bytes,
        age_seconds=max(0.0, round(time.time() - entry.modified, 1)),
        model=_text(entry.summary.get("model"), "name"),
        comics=_text(entry.summary.get("comics"), "digest"),
        origin=cache.source_of(entry.digest),
        **(of_headset or {"summary": evaluation_summary(entry.summary)}),
    )


def _measured(entries: Sequence[Entry]) -> Mapping[str, tuple[float, str]]:
    """As `accuracies`; numpy is imported only where something was evaluated."""
    if all(entry.kind != "evaluation" for entry in entries):
        return {}
    from gazecli.evaluation.store import accuracies

    return accuracies(entries)


def _of_headset(cache: Cache, entry: Entry, measured: Mapping[str, tuple[float, str]]) -> dict[str, Any]:
    """What is said of a head set alone: on what it was found, how well it steers, whose default it is."""
    from gazecli.heads.headset_store import default_digest, headset_summary, last_digest
    from gazecli.reports.documents.housekeeping import DefaultPart

    header = entry.summary
    accuracy, words = measured.get(entry.digest, (None, None))
    summary = headset_summary(header)
    if summary is not None:
        summary += ", not evaluated yet" if accuracy is None else f", accuracy {accuracy:.3f} ({words})"
    suggested, made_with = header.get("suggested"), header.get("versions")
    top = suggested.get("top") if isinstance(suggested, dict) else None
    chosen, is_set = default_digest(cache, _text(header.get("model"), "digest") or "")
    default = None
    if chosen == entry.digest:
        default = DefaultPart(why="set" if is_set else "newest", last=last_digest(cache) == entry.digest)
    return {
        "summary": summary,
        "top": top if isinstance(top, int) else None,
        "accuracy": accuracy,
        "default": default,
        "made_with": made_with if isinstance(made_with, dict) else {},
    }


def _evaluation(cache: Cache, entry: Entry) -> EvaluationPart | None:
    """What a report would show of it, if it is an evaluation."""
    from gazecli.evaluation.store import KIND, KeptEvaluation
    from gazecli.reports.kept_evaluation import evaluation_of

    artifact = cache.get(entry.digest) if entry.kind == KIND else None
    return evaluation_of(KeptEvaluation.from_artifact(artifact, entry.digest)) if artifact else None


def _text(block: object, key: str) -> str | None:
    value = block.get(key) if isinstance(block, dict) else None
    return value if isinstance(value, str) else None


def _flat(summary: dict[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in summary.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def _label(cache: Cache, entry: Entry) -> str | None:
    """How an artifact's model is called where people read."""
    from gazecli.heads.headset_store import model_label

    name, digest = (_text(entry.summary.get("model"), key) for key in ("name", "digest"))
    return name if name is None or digest is None else model_label(cache, name, digest)


def _show_list(console: Console, document: CacheDocument, labels: Sequence[str | None]) -> None:
    if not document.artifacts:
        console.print(f"nothing is kept in {document.path}", soft_wrap=True)
        return
    rows: list[list[object]] = []
    for kept, label in zip(document.artifacts, labels, strict=True):
        size, age = size_text(kept.bytes), age_text(kept.age_seconds)
        rows.append(
            [
                "*" if kept.default is not None else "",
                kept.digest[7:19],
                kept.kind,
                label,
                size,
                age,
                "; ".join(filter(None, (kept.summary, kept.origin))),
            ]
        )
    print_table(console, ["", "digest", "kind", "model", ">size", ">age", "summary"], rows)
    for kept in document.artifacts:
        if kept.default is not None:
            why = "set by gaze cache default" if kept.default.why == "set" else "found, pulled or used last"
            named = "; steered where nothing is named" if kept.default.last else ""
            console.print(f"* {kept.digest[7:19]}, of {kept.model}: {why}{named}", soft_wrap=True)
    total = size_text(sum(kept.bytes for kept in document.artifacts))
    console.print(f"{len(rows)} artifacts, {total} in {document.path}", soft_wrap=True, style="dim")


def _check(artifact: Artifact) -> None:
    from gazecli.evaluation import store
    from gazecli.heads.headset import KIND, HeadSet
    from gazecli.reports.generations import generations_of
    from gazecli.reports.headset import report_document
    from gazecli.reports.kept_evaluation import comparison_of

    # What could not be shown later is refused now.
    if artifact.kind == store.KIND:
        kept = store.KeptEvaluation.from_artifact(artifact, artifact.digest)
        generations_of(kept)
        comparison_of(kept)
    if artifact.kind == KIND:
        report_document(HeadSet.from_artifact(artifact, artifact.digest))
