"""Options of `evaluate` and `judge`; what contradicts itself is refused before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from gazecli.cli.options import (
    EVERY,
    LAYOUT,
    MAX_NEW_TOKENS,
    MODE,
    PROMPT,
    SAMPLES,
    SCOPE,
    SEED,
    STRENGTH,
    LayoutName,
    LoadOptions,
    ModeName,
    ScopeName,
    TaskName,
    cannot_matter,
    given,
    with_help,
)
from gazecli.errors import UsageError

COCO = "coco"
JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]
_EVALUATION, _JUDGING, _NATURAL = "Evaluation", "Judging", "Natural pictures: coco"
_NATURAL_OPTIONS = ("annotations", "images", "min_area")

Compare = Annotated[
    bool, typer.Option("--compare", help="Set all ways to choose heads side by side; evaluate steers each.")
]


@dataclass(frozen=True)
class JudgeOptions:
    """Who judges, and which pictures, beside the folder's name."""

    layout: Annotated[
        LayoutName | None, with_help(LAYOUT, "Read the comics in this layout.", _EVALUATION)
    ] = None
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--annotations", metavar="FILE", help="COCO's instances JSON.", rich_help_panel=_NATURAL
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Where the pictures lie.", rich_help_panel=_NATURAL),
    ] = None
    judge: Annotated[
        JudgeName | None,
        typer.Option(
            "--judge",
            metavar="JUDGE",
            help="lexical: by captions (the default) · likelihood: by the model itself · endpoint: by"
            " GAZE_JUDGE_URL · none: later.",
            rich_help_panel=_JUDGING,
        ),
    ] = None


@dataclass(frozen=True)
class EvaluationOptions(JudgeOptions):
    """How to evaluate; None is what was left out."""

    min_area: Annotated[
        float | None,
        typer.Option(
            "--min-area", help="Leave out things smaller than this many pixels.", rich_help_panel=_NATURAL
        ),
    ] = None
    task: Annotated[
        TaskName | None,
        typer.Option(
            "--task",
            help="A panel described (static, the default), the strip asked about, or a narration switched.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Find the best K on half of the strips.", rich_help_panel=_EVALUATION),
    ] = False
    every: Annotated[
        str | None,
        with_help(EVERY, "dynamic: a new target every N tokens (50), or at each `sentence`.", _EVALUATION),
    ] = None
    samples: Annotated[
        int | None, with_help(SAMPLES, "Draw this many strips; all when left out.", _EVALUATION)
    ] = None
    seed: Annotated[
        int | None, with_help(SEED, "Draws strips, halves, schedules and resamples (42).", _EVALUATION)
    ] = None
    prompt: Annotated[
        str | None, with_help(PROMPT, "The question; the paper's for the task by default.", _EVALUATION)
    ] = None
    max_new_tokens: Annotated[
        int | None, with_help(MAX_NEW_TOKENS, "The longest answer, in tokens (64).", _EVALUATION)
    ] = None
    strength: Annotated[str | None, with_help(STRENGTH, "As in steer (10).", _EVALUATION)] = None
    mode: Annotated[ModeName | None, with_help(MODE, "As in steer (boost-suppress).", _EVALUATION)] = None
    scope: Annotated[
        ScopeName | None, with_help(SCOPE, "As in steer (full; dynamic: answer).", _EVALUATION)
    ] = None
    generations: Annotated[
        Path | None,
        typer.Option(
            "--generations", metavar="FILE", help="Write every text as JSON lines.", rich_help_panel=_JUDGING
        ),
    ] = None


def is_coco(comics: Path | None) -> bool:
    """Whether natural pictures are asked for."""
    return comics is not None and str(comics) == COCO


def check_evaluation(comics: Path, options: EvaluationOptions, top: str) -> None:
    """UsageError for the first option that cannot matter, or contradicts another."""
    if options.seed is not None and not 0 <= options.seed < 2**32:
        raise UsageError(
            "--seed must lie between 0 and 4294967295", subject=str(options.seed), hint="leave it out for 42"
        )
    if options.sweep and top != "auto":
        raise cannot_matter("top", "with --sweep", "the sweep chooses it", top)
    if options.every is not None and options.task != "dynamic":
        hint = "add --task dynamic, or leave --every out"
        raise cannot_matter("every", "without --task dynamic", hint, options.every)
    if options.max_new_tokens is not None and options.task == "dynamic":
        raise cannot_matter("max_new_tokens", "with --task dynamic", "use --every")
    if options.judge == "none" and options.sweep:
        raise UsageError("--sweep cannot choose without a judge", hint="leave out --judge none")
    if is_coco(comics) and options.task not in (None, "static"):
        message = "natural pictures are asked about region by region"
        raise UsageError(message, subject=f"--task {options.task}", hint="leave --task out")
    _check_examples(comics, options)


def check_judging(comics: Path | None, options: JudgeOptions, loading: LoadOptions) -> None:
    """UsageError for the first option that cannot matter to texts that are written already."""
    judge = options.judge
    if judge == "none":
        raise UsageError(
            "gaze judge and --rejudge need a judge", subject="--judge none", hint="leave --judge out"
        )
    for name in given(loading) if judge != "likelihood" else ():
        hint = "the texts are written already, and no model is loaded"
        raise cannot_matter(name, f"with --judge {judge or 'lexical'}", hint)
    if comics is not None:
        _check_examples(comics, options)
    elif judge in ("likelihood", "endpoint"):
        raise UsageError(
            f"the {judge} judge looks at the pictures",
            hint="name them too: gaze judge FILE|HEADSET COMICS, or report --evaluate COMICS --rejudge FILE",
        )
    else:
        for name in given(options):
            if name != "judge":
                raise cannot_matter(name, "without COMICS", "name the pictures too")


def check_report(
    evaluate: Path | None,
    rejudge: Path | None,
    options: EvaluationOptions,
    loading: LoadOptions,
    more: list[str],
) -> None:
    """UsageError for what cannot matter in `report` without --evaluate, or with --rejudge.

    more: names of further options of evaluations that were given.
    """
    if rejudge is not None:
        allowed = [each.name for each in fields(JudgeOptions)]
        refused, why = [name for name in [*given(options), *more] if name not in allowed], "with --rejudge"
    elif evaluate is None:
        refused, why = [*given(options), *given(loading), *more], "without --evaluate"
    else:
        return
    for name in refused:
        raise cannot_matter(name, why, "use gaze evaluate HEADSET COMICS")


def _check_examples(comics: Path, options: JudgeOptions) -> None:
    if not is_coco(comics):
        for name in given(options):
            if name in _NATURAL_OPTIONS:
                raise cannot_matter(name, "without natural pictures", "name coco, not comics")
    elif options.annotations is None or options.images is None:
        raise UsageError("coco needs --annotations FILE and --images DIR", hint="name both")
    elif options.layout is not None:
        raise cannot_matter("layout", "with coco", subject=options.layout)
