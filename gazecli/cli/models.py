"""`gaze models`: the models that have a short name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gazecli.cli.command import cli_command
from gazecli.cli.output import Output
from gazecli.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from gazecli.reports.documents.housekeeping import ModelsDocument

NAME = "models"


@cli_command()
def command(output: Output) -> None:
    """List the models that have a short name.

    Example: gaze models --json
    """
    from gazecli.api.machine import list_models
    from gazecli.reports.documents.housekeeping import ModelsDocument

    document = ModelsDocument(models=list_models())
    output.result(document, lambda console: _show(console, document))


def _show(console: Console, document: ModelsDocument) -> None:
    rows: list[list[object]] = []
    for model in document.models:
        paper = model.published
        best = f"{paper.gaze:.1f} % with {paper.top} heads" if paper else ""
        here = "yes" if model.on_this_machine else ""
        name = f"{model.id} ({model.note})" if model.note else model.id
        layers, heads = (f"{count}*" if model.unchecked else count for count in (model.layers, model.heads))
        rows.append([model.alias, model.family, layers, heads, here, best, name])
    print_table(console, "model family >layers >heads here paper's_best id", rows)
    console.print("* unchecked: not compared with the published config.json", style="dim")
    console.print(
        "Any Hugging Face id of these families works too, and so does a checkpoint folder.", style="dim"
    )
