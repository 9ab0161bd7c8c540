"""`gaze push HEADSET OWNER/REPO`: a head set with its evidence, to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.completion import headset_names
from gazecli.cli.files import check_force, writable_folder
from gazecli.cli.inputs import check_model_matters, choose_heads
from gazecli.cli.options import DATASET, DRY_RUN, FORCE, OUTPUT, HeadOptions, HeadsModel, with_help
from gazecli.cli.output import Output, busy
from gazecli.cli.tables import print_facts, print_table, size_text
from gazecli.errors import cannot_matter

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.sharing import EvidencePart, PushDocument

NAME = "push"


@cli_command()
def command(
    output: Output,
    headset: Annotated[
        str,
        typer.Argument(
            metavar="HEADSET",
            autocompletion=headset_names,
            help="A digest, file, model, hf:OWNER/REPO@COMMIT, or heads: 3.4,3.5.",
        ),
    ],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/REPO", help="A repository on the Hub; made when missing.")
    ],
    *,
    model: HeadsModel = None,
    private: Annotated[bool, typer.Option("--private", help="Make a repository that only you see.")] = False,
    pr: Annotated[bool, typer.Option("--pr", help="Offer it to the owner as a pull request.")] = False,
    unproven: Annotated[
        bool,
        typer.Option("--unproven", help="Push what no evaluation supports; the card then says so."),
    ] = False,
    dataset: Annotated[
        list[str] | None,
        with_help(DATASET, "A data set on the Hub it was found on; those of gaze comics fetch are known."),
    ] = None,
    dry_run: Annotated[
        bool, with_help(DRY_RUN, "Send nothing and ask no network; say what would be sent.")
    ] = False,
    folder: Annotated[Path | None, with_help(OUTPUT, "Write the files into this folder too.")] = None,
    force: Annotated[bool, FORCE] = False,
) -> None:
    """Push a head set to the Hub: safetensors, JSON, ranking, and a model card with the evidence.

    The evidence are the evaluations kept by gaze evaluate. What none of them supports is not pushed.

    Example: gaze push tiny somebody/tiny-gaze-heads --dry-run -o pushed/
    """
    from gazecli.sharing.push import package, push_document, send

    check_force(force, folder)
    check_model_matters(model, headset)
    if private and pr:
        raise cannot_matter("private", "with --pr, which goes to a repository that is there")
    writable_folder(folder, "--output")
    chosen = choose_heads(output, HeadOptions(headset, model=model))
    with busy(output, "packing"):
        packed = package(
            chosen.headset, repository, unproven=unproven, datasets=dataset or (), cache=chosen.cache
        )
    if not packed.proven:
        output.warning("no evaluation supports this head set, and its card says so")
    if folder is not None:
        packed.write(folder, overwrite=force)
    pushed = None
    if not dry_run:
        with busy(output, f"pushing to {repository}"):
            pushed = send(packed, private=private, pr=pr, cache=chosen.cache)
    document = push_document(packed, pushed)
    if folder is not None:
        document = document.model_copy(update={"folder": str(folder)})
    output.result(document, lambda console: _show(console, document), digest=document.digest)


def _show(console: Console, document: PushDocument) -> None:
    where = f"{document.url} ({'private' if document.private else 'public'})"
    facts: dict[str, object] = {
        "head set": document.digest,
        "of": document.model.name,
        "suggested": f"top {document.top} by {document.score}",
        "pushed to" if document.commit else "would go to": where if document.commit else document.repository,
        "name": document.name,
        "pull request": document.pull_request,
        "commit": None if document.changed is not False else "none made: the repository held the same",
        "files in": document.folder,
    }
    print_facts(console, facts)
    if document.evidence:
        console.print()
        columns = "task judge >pictures >K >accuracy >95_%_interval >controls >chance supports"
        print_table(console, columns, [_row(each) for each in document.evidence])
    console.print()
    print_table(console, "file >size", [[file.name, size_text(file.bytes)] for file in document.files])


def _row(part: EvidencePart) -> list[object]:
    interval = None if part.ci95 is None else f"{part.ci95[0]:.3f} to {part.ci95[1]:.3f}"
    controls = f"{min(part.controls):.3f} to {max(part.controls):.3f}" if part.controls else None
    accuracy = None if part.accuracy is None else f"{part.accuracy:.3f}"
    verdict = "yes"
    if part.on_discovery_strips:
        some = part.discovery_strips is not None and part.discovery_strips < part.pictures
        verdict = f"yes, on {part.discovery_strips if some else 'the'} strips where they were found"
    if part.against:
        verdict = f"no: {'; '.join(part.against)}"
    measured = [accuracy, interval, controls, f"{part.chance:.3f}", verdict]
    return [part.task, part.judge, part.pictures, part.top, *measured]
