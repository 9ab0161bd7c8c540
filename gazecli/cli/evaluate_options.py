"""Options of `evaluate` and `judge`; what contradicts itself is refused before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from gazecli.cli import options
from gazecli.cli.files import refuse_stdout, writable
from gazecli.cli.options import LoadOptions, cannot_matter, given, with_help
from gazecli.errors import UsageError

COCO = "coco"
JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]
SweepName = Literal["heads", "strength"]
MOST_CONTROLS = 1000
_EVALUATION, _JUDGING, _NATURAL = "Evaluation", "Judging", "Natural pictures: coco"
_worded = partial(with_help, panel=_EVALUATION)
_COMICS_OPTIONS = ("layout", "rtl", "spread")
_NATURAL_OPTIONS = ("annotations", "images", "min_area")

Compare = Annotated[
    bool, typer.Option("--compare", help="Set all ways to choose heads side by side; evaluate steers each.")
]


@dataclass(frozen=True)
class JudgeOptions:
    """Who judges, and which pictures, beside the folder's name."""

    layout: Annotated[
        options.LayoutName | None, _worded(options.LAYOUT, "Read the comics in this layout.")
    ] = None
    rtl: Annotated[bool, _worded(options.RTL, "Panels of whole strips are read from the right.")] = False
    spread: Annotated[
        bool, _worded(options.SPREAD, "Whole strips are two pages side by side, read one after the other.")
    ] = False
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
        options.TaskName | None,
        typer.Option(
            "--task",
            help="A panel described (static, the default), the strip asked about, or a narration switched.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    sweep: Annotated[
        SweepName | None,
        typer.Option(
            "--sweep",
            metavar="heads|strength",
            help="Find the best K and score, or the best strength, on half of the strips.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    controls: Annotated[
        int | None,
        typer.Option(
            "--controls",
            help="Draws of other heads to compare with: 5; 20 for papers.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    protocol: Annotated[
        Literal["paper"] | None,
        typer.Option(
            "--protocol",
            metavar="paper",
            help="The paper's K, strength, scope, lengths and controls, where not given.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    every: Annotated[
        str | None,
        _worded(options.EVERY, "dynamic: a new target every N tokens (50), or at each `sentence`."),
    ] = None
    samples: Annotated[int | None, _worded(options.SAMPLES, "Draw this many strips; all when left out.")] = (
        None
    )
    seed: Annotated[
        int | None, _worded(options.SEED, "Draws strips, halves, schedules and resamples (42).")
    ] = None
    prompt: Annotated[
        str | None, _worded(options.PROMPT, "The question; the paper's for the task by default.")
    ] = None
    max_new_tokens: Annotated[
        int | None, _worded(options.MAX_NEW_TOKENS, "The longest answer, in tokens (64).")
    ] = None
    strength: Annotated[str | None, _worded(options.STRENGTH, "As in steer (auto).")] = None
    mode: Annotated[options.ModeName | None, _worded(options.MODE, "As in steer (boost-suppress).")] = None
    scope: Annotated[
        options.ScopeName | None, _worded(options.SCOPE, "As in steer (full; dynamic: answer).")
    ] = None
    batch_size: Annotated[
        str | None, _worded(options.BATCH_SIZE, "Texts written at a time: auto or a number.")
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


def check_evaluation(
    comics: Path, evaluation: EvaluationOptions, top: str, force: bool, forcing: str
) -> None:
    """UsageError for the first option that cannot matter, contradicts another or names no place to write.

    force, forcing: as for `writable`.
    """
    refuse_stdout(evaluation.generations, "--generations")
    writable(evaluation.generations, "--generations", force=force, forcing=forcing)
    if evaluation.seed is not None and not 0 <= evaluation.seed < 2**32:
        raise UsageError(
            "--seed must lie between 0 and 4294967295",
            subject=str(evaluation.seed),
            hint="leave it out for 42",
        )
    if evaluation.controls is not None and not 1 <= evaluation.controls <= MOST_CONTROLS:
        raise UsageError(
            f"--controls must lie between 1 and {MOST_CONTROLS}",
            subject=str(evaluation.controls),
            hint="leave it out for 5",
        )
    if evaluation.sweep == "strength" and evaluation.strength is not None:
        raise cannot_matter("strength", "with --sweep strength", "the sweep chooses it", evaluation.strength)
    if evaluation.sweep == "heads" and top != "auto":
        raise cannot_matter("top", "with --sweep heads", "the sweep chooses it", top)
    if evaluation.every is not None and evaluation.task != "dynamic":
        hint = "add --task dynamic, or leave --every out"
        raise cannot_matter("every", "without --task dynamic", hint, evaluation.every)
    if evaluation.max_new_tokens is not None and evaluation.task == "dynamic":
        raise cannot_matter("max_new_tokens", "with --task dynamic", "use --every")
    if evaluation.judge == "none" and evaluation.sweep is not None:
        raise UsageError("--sweep cannot choose without a judge", hint="leave out --judge none")
    if is_coco(comics) and evaluation.task not in (None, "static"):
        message = "natural pictures are asked about region by region"
        raise UsageError(message, subject=f"--task {evaluation.task}", hint="leave --task out")
    _check_examples(comics, evaluation)


def check_judging(comics: Path | None, judging: JudgeOptions, loading: LoadOptions) -> None:
    """UsageError for the first option that cannot matter to texts that are written already."""
    judge = judging.judge
    if judge == "none":
        raise UsageError(
            "gaze judge and --rejudge need a judge", subject="--judge none", hint="leave --judge out"
        )
    for name in given(loading) if judge != "likelihood" else ():
        hint = "the texts are written already, and no model is loaded"
        raise cannot_matter(name, f"with --judge {judge or 'lexical'}", hint)
    if comics is not None:
        _check_examples(comics, judging)
    elif judge in ("likelihood", "endpoint"):
        raise UsageError(
            f"the {judge} judge looks at the pictures",
            hint="name them too: gaze judge FILE|HEADSET COMICS, or report --evaluate COMICS --rejudge FILE",
        )
    else:
        for name in given(judging):
            if name != "judge":
                raise cannot_matter(name, "without COMICS", "name the pictures too")


def check_report(
    evaluate: Path | None,
    rejudge: Path | None,
    evaluation: EvaluationOptions,
    loading: LoadOptions,
    more: list[str],
) -> None:
    """UsageError for what cannot matter in `report` without --evaluate, or with --rejudge.

    more: names of further options of evaluations that were given.
    """
    if rejudge is not None:
        allowed = [each.name for each in fields(JudgeOptions)]
        refused, why = [name for name in [*given(evaluation), *more] if name not in allowed], "with --rejudge"
    elif evaluate is None:
        refused, why = [*given(evaluation), *given(loading), *more], "without --evaluate"
    else:
        return
    for name in refused:
        raise cannot_matter(name, why, "use gaze evaluate HEADSET COMICS")


def _check_examples(comics: Path, judging: JudgeOptions) -> None:
    if not is_coco(comics):
        for name in given(judging):
            if name in _NATURAL_OPTIONS:
                raise cannot_matter(name, "without natural pictures", "name coco, not comics")
    elif judging.annotations is None or judging.images is None:
        raise UsageError("coco needs --annotations FILE and --images DIR", hint="name both")
    else:
        for name in given(judging):
            if name in _COMICS_OPTIONS:
                raise cannot_matter(name, "with coco")
