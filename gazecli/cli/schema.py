"""`gaze schema NAME`: the JSON Schema of a document."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.completion import document_names
from gazecli.cli.output import Output, is_terminal
from gazecli.errors import UsageError

NAME = "schema"


@cli_command()
def command(
    output: Output,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=document_names,
            help="headset, steer, switch, report, …",
            show_default="print all names",
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of a document.

    Example: gaze schema steer > steer.schema.json
    """
    from gazecli.reports.documents.schemas import DOCUMENTS, json_schema

    if name is None:
        names = list(DOCUMENTS)
        sys.stdout.write((json.dumps(names) if output.format == "json" else "\n".join(names)) + "\n")
        return
    wanted = name.removeprefix("gaze.").removesuffix("/1")
    if wanted not in DOCUMENTS:
        hint = f"one of {', '.join(DOCUMENTS)}"
        raise UsageError("there is no such document", subject=name, hint=hint, code="schema.unknown")
    indent = 2 if output.format == "human" or is_terminal(sys.stdout) else None
    sys.stdout.write(json.dumps(json_schema(wanted), indent=indent) + "\n")
