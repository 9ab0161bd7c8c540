"""Options that several commands share, spelled once.

Knows nothing of what the commands do with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gazecli.errors import UsageError

_MODEL, _AIM, _PICTURE, _EVALUATION = "Model", "Steering", "Picture", "Evaluation"
ModeName = Literal["boost-suppress", "suppress-image", "suppress-all", "max-suppress-all"]
ScopeName = Literal["full", "question", "answer", "decode"]
LayoutName = Literal["panels", "raw", "strips", "manifest"]
TaskName = Literal["static", "vqa", "dynamic"]

Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda, cuda:1, mps (or GAZE_DEVICE).", rich_help_panel=_MODEL),
]
Dtype = Annotated[
    str | None,
    typer.Option(help="auto, float32, bfloat16, float16 (or GAZE_DTYPE).", rich_help_panel=_MODEL),
]
Revision = Annotated[
    str | None, typer.Option(help="A branch, tag or commit on the Hub.", rich_help_panel=_MODEL)
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        help="Spread a model too large for one device: auto, balanced, sequential, or a JSON file.",
        rich_help_panel=_MODEL,
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run code that comes with a model.", rich_help_panel=_MODEL),
]
NoSquash = Annotated[
    bool,
    typer.Option(
        "--no-squash",
        help="Let the model's processor crop; a region it leaves out is then an error.",
        rich_help_panel=_MODEL,
    ),
]
Layout = Annotated[
    LayoutName | None,
    typer.Option(help="Read the folder in this layout; recognised when left out."),
]

ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="The model (or GAZE_MODEL); its newest head set.", rich_help_panel=_MODEL),
]
Heads = Annotated[
    str | None,
    typer.Option(help="A head set: digest, file or model; else the one used last.", rich_help_panel=_AIM),
]
Top = Annotated[str, typer.Option(help="How many heads: auto or a number.", rich_help_panel=_AIM)]
Score = Annotated[
    Literal["auto", "raw", "selectivity", "image", "localization"],
    typer.Option(help="Which score ranks the heads.", rich_help_panel=_AIM),
]
Strength = Annotated[
    str, typer.Option(help="10, any number, or hard (the paper's 10000).", rich_help_panel=_AIM)
]
Mode = Annotated[
    ModeName,
    typer.Option(help="What is boosted and what suppressed.", rich_help_panel=_AIM),
]
Scope = Annotated[
    ScopeName,
    typer.Option(help="From where on the heads are steered.", rich_help_panel=_AIM),
]

PictureArgument = Annotated[
    str, typer.Argument(metavar="PICTURE", help="A picture file, - for standard input, or a comic folder.")
]
PanelSpec = Annotated[
    str,
    typer.Option("--panels", help="auto (by gutters), 6 columns, or 2x3.", rich_help_panel=_PICTURE),
]
RegionsFile = Annotated[
    Path | None,
    typer.Option("--regions", help="A JSON file of boxes, instead of panels.", rich_help_panel=_PICTURE),
]
Rtl = Annotated[
    bool, typer.Option("--rtl", help="Panels are read from right to left.", rich_help_panel=_PICTURE)
]
MaxPixels = Annotated[
    int | None,
    typer.Option(help="Refuse pictures larger than this before decoding.", rich_help_panel=_PICTURE),
]

Page = Annotated[
    Path | None,
    typer.Option(
        help="Write a page to an .html file: a word under the pointer shows where the heads looked."
    ),
]

# Of an evaluation nothing has a default that shows: without --evaluate each of these is refused.
Evaluate = Annotated[
    Path | None,
    typer.Option(metavar="COMICS", help="Steer on these comics and count.", rich_help_panel=_EVALUATION),
]
Task = Annotated[
    TaskName | None,
    typer.Option(
        help="A panel described (static, the default), the strip asked about, or a narration switched.",
        rich_help_panel=_EVALUATION,
    ),
]
Sweep = Annotated[
    bool,
    typer.Option("--sweep", help="Find the best K on half of the strips.", rich_help_panel=_EVALUATION),
]
Every = Annotated[
    str | None,
    typer.Option(
        help="dynamic: a new target every N tokens (50), or at each `sentence`.", rich_help_panel=_EVALUATION
    ),
]
Samples = Annotated[
    int | None, typer.Option(help="Draw this many strips; all when left out.", rich_help_panel=_EVALUATION)
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, help="Draws strips, halves, schedules and resamples (42).", rich_help_panel=_EVALUATION
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(help="The question; the paper's for the task by default.", rich_help_panel=_EVALUATION),
]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="The longest answer, in tokens (64).", rich_help_panel=_EVALUATION)
]
EvaluatedLayout = Annotated[
    LayoutName | None,
    typer.Option("--layout", help="Read the comics in this layout.", rich_help_panel=_EVALUATION),
]
EvaluatedStrength = Annotated[
    str | None, typer.Option("--strength", help="As in steer (10).", rich_help_panel=_EVALUATION)
]
EvaluatedMode = Annotated[
    ModeName | None,
    typer.Option("--mode", help="As in steer (boost-suppress).", rich_help_panel=_EVALUATION),
]
EvaluatedScope = Annotated[
    ScopeName | None,
    typer.Option("--scope", help="As in steer (full; dynamic: answer).", rich_help_panel=_EVALUATION),
]


def number_or_auto(text: str, option: str) -> int | None:
    """None for `auto`, else the number in `text`; UsageError, naming `option`, for what is neither."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise UsageError(f"{option} is `auto` or a whole number from 1", subject=text)
    return int(text)
