"""Options of an evaluation that only `gaze report` has: judges, answers kept for later, natural pictures.

Knows nothing of what is done with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]

_JUDGES, _NATURAL = "Judging", "Natural pictures: --evaluate coco"

Compare = Annotated[
    bool,
    typer.Option("--compare", help="Set all ways to choose heads side by side; with --evaluate, steer each."),
]
Judge = Annotated[
    JudgeName | None,
    typer.Option(
        help="By captions (lexical, the default), by the model itself, by GAZE_JUDGE_URL, or later.",
        rich_help_panel=_JUDGES,
    ),
]
Generations = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Keep every text as JSON lines.", rich_help_panel=_JUDGES),
]
Rejudge = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Judge texts that --generations kept.", rich_help_panel=_JUDGES),
]
Annotations = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="COCO's instances JSON.", rich_help_panel=_NATURAL),
]
Images = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the pictures lie.", rich_help_panel=_NATURAL)
]
MinArea = Annotated[
    float | None,
    typer.Option(help="Leave out things smaller than this many pixels.", rich_help_panel=_NATURAL),
]
