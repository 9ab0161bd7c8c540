"""The many pictures of one call of `gaze steer`: one model, a line a picture, errors in their place."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gazecli.canonical import read_bytes
from gazecli.cli import options
from gazecli.cli.files import check_force, writable
from gazecli.cli.inputs import ChosenHeads, load_model, note_prepared
from gazecli.cli.options import ModelOptions, with_help
from gazecli.cli.output import Output, is_terminal, progress, resumable, without_secrets, write_page
from gazecli.cli.tables import print_answers, print_provenance
from gazecli.errors import GazeError, UsageError, cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.models.vlm import VLM
    from gazecli.reports.answer_file import AnswerFile
    from gazecli.reports.documents.results import SteerDocument
    from gazecli.steering.jobs import Job, JobResult, OpenJob
    from gazecli.steering.steer import Steering

_PANEL = "Many pictures"
_MOST_BYTES = 1 << 30
JOBS = typer.Option(
    "--jobs",
    metavar="FILE",
    help="JSON lines, each a picture and its options; - for standard input.",
    rich_help_panel=_PANEL,
)
LINES = with_help(
    options.OUTPUT, "Add the lines to this file; answers that it has are not written again.", _PANEL
)


@dataclass(frozen=True)
class Jobs:
    """The file the jobs come from, and the file their lines go to, where these are not the usual streams.

    force: the latter is taken though it is read-only.
    """

    source: str | None
    destination: Path | None
    force: bool


def steer_pictures(
    output: Output,
    pictures: Sequence[str],
    jobs: Jobs,
    chosen: ChosenHeads,
    model: ModelOptions,
    common: Mapping[str, Any],
) -> None:
    """Steer each picture, or each job, with the `common` options; a line each, as soon as it is known.

    Raises BadInput, before work starts, for what is wrong with all of them; GazeError, at the end, when some
    failed.
    """
    from gazecli.reports.answer_file import AnswerFile
    from gazecli.steering.jobs import Job, steer_many

    if jobs.source is not None and pictures:
        raise UsageError("pictures and --jobs exclude each other", hint="name the pictures in the jobs")
    named = common["region"] or common["all_regions"] or common["mode"] == "blind"
    if jobs.source is None and not named:
        raise UsageError("no region is named", hint="add --region 3, or --all-regions", code="usage.region")
    if jobs.destination is not None and output.asked_for_format and output.format != "json":
        raise cannot_matter("format", "with --output", "the file has lines of JSON", output.format)
    check_force(jobs.force, jobs.destination)
    writable(jobs.destination, "--output", force=jobs.force)
    Job(picture="", **common).check(chosen.headset)
    load = cache(lambda: load_model(output, chosen, model))
    listed, total = _jobs_of(pictures, jobs.source, common)
    file = None if jobs.destination is None else AnswerFile(jobs.destination, replace_read_only=jobs.force)
    lines = _Lines(output, load, file)
    # On a terminal the answers themselves show how far it is.
    shown = file is None and is_terminal(sys.stdout)
    kept = nullcontext() if file is None else resumable(output, f"every line of {file.path} so far")
    with kept, progress(replace(output, quiet=output.quiet or shown), "steering", "pictures") as step:
        each = listed if file is None else file.distinct(listed)
        for done, result in enumerate(steer_many(load, chosen.headset, each, is_there=lines.has), 1):
            lines.write(result)
            step(done, total)
    lines.finish()


def _jobs_of(
    pictures: Sequence[str], source: str | None, common: Mapping[str, Any]
) -> tuple[Iterable[Job | JobResult], int | None]:
    """The jobs of the command line, a file or standard input, and how many there are where that is known."""
    from gazecli.steering.jobs import Job, read_jobs

    if source is None:
        return [Job(picture=name, id=name, **common) for name in pictures], len(pictures)
    if source == "-":
        return read_jobs(sys.stdin.buffer, "standard input", Path(), common), None
    hint = "name a file of JSON lines, or - for standard input"
    data = read_bytes(Path(source), _MOST_BYTES, "the jobs file", UsageError, hint)
    total = sum(bool(line.strip()) for line in data.split(b"\n"))
    return read_jobs(BytesIO(data), source, Path(source).parent, common), total


class _Lines:
    """Writes a line for each result, to the file or to stdout, and counts."""

    def __init__(self, output: Output, load: Callable[[], VLM], file: AnswerFile | None) -> None:
        self.output, self.load, self.file = output, load, file
        self.done = self.kept = self.failed = 0
        self.last: SteerDocument | None = None
        self.toys: list[str | None] = []  # pictures with a warning, the first of which is shown
        self.sharing: list[str | None] = []

    def has(self, opened: OpenJob) -> bool:
        """Whether the file has the answers of this job."""
        return self.file is not None and self.file.has(opened)

    def write(self, result: JobResult) -> None:
        """Write what became of one job; nothing when its answers were there."""
        self.done += 1
        if result.error is not None:
            self.failed += 1
            self._write_error(result.id, result.error)
        elif result.steering is None or result.opened is None:
            self.kept += 1
        else:
            self._write_answers(result.id, result.opened, result.steering)

    def _write_error(self, identity: Any, error: GazeError) -> None:
        from gazecli.reports.documents.housekeeping import ErrorDocument, Failure

        line = ErrorDocument(id=identity, error=Failure.model_validate(error)).json_text()
        self._write(identity, without_secrets(line), lambda console: _show_error(console, error))

    def _write_answers(self, identity: Any, opened: OpenJob, steering: Steering) -> None:
        from gazecli.models.token_maps.shared_tokens import sharing_warning
        from gazecli.reports.steering import steer_document
        from gazecli.steering.toy_models import toy_warning

        made = steer_document(
            self.load(), steering, opened.headset, opened.score, id=identity, job=opened.digest()
        )
        if steering.layout.prepared is not None and self.output.format != "json":
            note_prepared(self.output, f"picture {made.picture.path} was", steering.layout.prepared)
        self._warn(made.picture.path, toy_warning(self.load(), steering.picture), self.toys)
        shared = sharing_warning(steering.layout, steering.regions, steering.picture.panels)
        self._warn(made.picture.path, shared, self.sharing)
        self._write(identity, made.json_text(), lambda console: print_answers(console, made))
        self.last = made

    def _warn(self, name: str | None, warning: str | None, warned: list[str | None]) -> None:
        if warning is not None:
            if not warned:
                self.output.warning(f"{name}: {warning}")
            warned.append(name)

    def _write(self, identity: Any, line: str, human: Callable[[Console], None]) -> None:
        if self.file is not None:
            self.file.add(line)
        elif self.output.format == "json":
            write_page(line)
        else:
            out = self.output.out
            if self.done > 1:
                out.print()
            out.print(identity if isinstance(identity, str) else json.dumps(identity), style="bold")
            human(out)

    def finish(self) -> None:
        """Say what was done; GazeError when a picture has no answer."""
        if self.file is not None:
            self.file.put_in_order()
            there = f", {self.kept} of them there already" if self.kept else ""
            self.output.note(f"{self.done} lines in {self.file.path}{there}")
        elif self.output.format != "json" and self.last is not None:
            print_provenance(self.output.out, self.last)
        if len(self.sharing) > 1:
            self.output.warning(
                f"{len(self.sharing)} of {self.done} pictures have regions that share all their image "
                "tokens; `warnings` in their lines names them"
            )
        if self.failed:
            raise GazeError(
                f"{self.failed} of {self.done} jobs failed",
                hint="their lines say why; with --output, the same call does them again",
                code="jobs.failed",
            )


def _show_error(console: Console, error: GazeError) -> None:
    console.print(f"error: {without_secrets(str(error))}", style="red")
    if error.hint:
        console.print(f"hint: {error.hint}")
