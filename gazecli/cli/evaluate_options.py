"""Which options of `gaze report` go together: what cannot matter is refused before anything starts.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from gazecli.cli.options import LayoutName, ModelOptions, ModeName, ScopeName, TaskName
from gazecli.errors import UsageError

COCO = "coco"
_PICTURES = ("annotations", "images", "layout")
_MODEL = ("device", "dtype", "device_map", "trust_remote_code", "no_squash")


@dataclass(frozen=True)
class Wanted:
    """The options of an evaluation as they were given; None is what was left out."""

    task: TaskName | None = None
    sweep: bool = False
    every: str | None = None
    samples: int | None = None
    seed: int | None = None
    prompt: str | None = None
    max_new_tokens: int | None = None
    layout: LayoutName | None = None
    strength: str | None = None
    mode: ModeName | None = None
    scope: ScopeName | None = None
    device: str | None = None
    dtype: str | None = None
    device_map: str | None = None
    trust_remote_code: bool = False
    no_squash: bool = False
    judge: JudgeName | None = None
    generations: Path | None = None
    rejudge: Path | None = None
    annotations: Path | None = None
    images: Path | None = None
    min_area: float | None = None
    compare: bool = False

    @property
    def loading(self) -> ModelOptions:
        """How the model is loaded."""
        return ModelOptions(*(getattr(self, name) for name in _MODEL))

    @property
    def given(self) -> list[str]:
        """Names of what was given."""
        return [name for name, value in asdict(self).items() if value is not None and value is not False]


def is_coco(evaluate: Path | None) -> bool:
    """Whether natural pictures are asked for."""
    return evaluate is not None and str(evaluate) == COCO


def check_combination(evaluate: Path | None, wanted: Wanted, top: str, score: str) -> None:
    """UsageError for the first option that cannot matter, or contradicts another."""
    if wanted.rejudge is not None:
        _check_rejudging(evaluate, wanted, top, score)
    elif evaluate is None:
        for name in [*wanted.given, *(["score"] if score != "auto" else [])]:
            if name != "compare":
                raise UsageError(
                    f"{_option(name)} cannot matter without --evaluate", hint="name comics: --evaluate COMICS"
                )
    else:
        _check_evaluation(evaluate, wanted, top)


def _check_evaluation(evaluate: Path, wanted: Wanted, top: str) -> None:
    if wanted.seed is not None and not 0 <= wanted.seed < 2**32:
        raise UsageError(
            "--seed must lie between 0 and 4294967295", subject=str(wanted.seed), hint="leave it out for 42"
        )
    if wanted.sweep and top != "auto":
        raise UsageError("--top cannot matter with --sweep", subject=top, hint="the sweep chooses it")
    if wanted.every is not None and wanted.task != "dynamic":
        hint = "add --task dynamic, or leave --every out"
        raise UsageError("--every cannot matter without --task dynamic", subject=wanted.every, hint=hint)
    if wanted.max_new_tokens is not None and wanted.task == "dynamic":
        raise UsageError("--max-new-tokens cannot matter with --task dynamic", hint="use --every")
    if wanted.judge == "none" and wanted.generations is None:
        raise UsageError("--judge none leaves nothing behind", hint="keep the texts: --generations FILE")
    if wanted.judge == "none" and wanted.sweep:
        raise UsageError("--sweep cannot choose without a judge", hint="leave out --judge none")
    _check_pictures(evaluate, wanted)
    if is_coco(evaluate) and wanted.task not in (None, "static"):
        message = "natural pictures are asked about region by region"
        raise UsageError(message, subject=f"--task {wanted.task}", hint="leave --task out")


def _check_pictures(evaluate: Path, wanted: Wanted) -> None:
    if is_coco(evaluate):
        if wanted.annotations is None or wanted.images is None:
            raise UsageError("--evaluate coco needs --annotations FILE and --images DIR", hint="name both")
        if wanted.layout is not None:
            message = "--layout cannot matter with --evaluate coco"
            raise UsageError(message, subject=wanted.layout, hint="leave it out")
    else:
        for name in ("annotations", "images", "min_area"):
            if getattr(wanted, name) is not None:
                raise UsageError(
                    f"{_option(name)} cannot matter without --evaluate coco", hint="leave it out"
                )


def _check_rejudging(evaluate: Path | None, wanted: Wanted, top: str, score: str) -> None:
    if wanted.judge == "none":
        raise UsageError("--rejudge needs a judge", subject="--judge none", hint="leave --judge out")
    allowed = {"rejudge", "judge"}
    if evaluate is not None:
        allowed |= set(_PICTURES)
    if wanted.judge == "likelihood":
        allowed |= set(_MODEL)
    for name in wanted.given:
        if name not in allowed:
            raise UsageError(f"{_option(name)} cannot matter with --rejudge", hint="the texts are written")
    if top != "auto" or score != "auto":
        raise UsageError("--top and --score cannot matter with --rejudge", hint="the texts are written")
    if evaluate is None and wanted.judge in ("likelihood", "endpoint"):
        raise UsageError(
            f"the {wanted.judge} judge looks at the pictures", hint="name them: --evaluate COMICS"
        )
    if evaluate is not None:
        _check_pictures(evaluate, wanted)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
