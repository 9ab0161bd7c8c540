"""Options of `evaluate` and `judge`; what contradicts itself is refused before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gazecli.cli import options
from gazecli.cli.files import refuse_stdout, writable
from gazecli.cli.options import HeadOptions, LoadOptions, given, number_or_auto, with_help
from gazecli.errors import cannot_matter
from gazecli.steering.settings import DYNAMIC_PROMPT, NATURAL_PROMPT, STATIC_PROMPT, VQA_PROMPT

if TYPE_CHECKING:
    from gazecli.evaluation.wanted import Judging, Wanted

JudgeName = Literal["lexical", "likelihood", "endpoint", "none"]
SweepName = Literal["heads", "strength"]
_EVALUATION, _JUDGING, _NATURAL = "Evaluation", "Judging", "Natural pictures (coco)"
_worded = partial(with_help, panel=_EVALUATION)
_steered = partial(with_help, panel=options.STEERING)

# What changes how an evaluation runs, and not what it finds.
_RUNNING = ("batch_size", "generations")

Compare = Annotated[
    bool, typer.Option("--compare", help="Set all ways to choose heads side by side; evaluate steers each.")
]


@dataclass(frozen=True)
class JudgeOptions:
    """Who judges, and which pictures, beside the folder's name."""

    layout: Annotated[
        options.LayoutName | None, _worded(options.LAYOUT, options.LAYOUT.help, default="as recognised")
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
            help="lexical: by captions · likelihood: by the model itself · endpoint: by GAZE_JUDGE_URL"
            " · none: later.",
            show_default="lexical",
            rich_help_panel=_JUDGING,
        ),
    ] = None

    def judging(self) -> Judging:
        """As the library takes it."""
        from gazecli.evaluation.wanted import Judging

        return Judging(**{each.name: getattr(self, each.name) for each in fields(JudgeOptions)})


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
            metavar="TASK",
            help="static: a panel described · vqa: the strip asked about · dynamic: a narration switched.",
            show_default="static",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    sweep: Annotated[
        SweepName | None,
        typer.Option(
            "--sweep",
            metavar="SETTING",
            help="Choose on half of the strips. heads: the best K and score · strength: the best strength.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    controls: Annotated[
        int | None,
        typer.Option(
            "--controls",
            help="Draws of other heads to compare with; 20 for papers.",
            show_default="5",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    protocol: Annotated[
        Literal["paper"] | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="paper: the paper's K, strength, scope, lengths and controls, where not given.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None
    every: Annotated[
        str | None,
        _worded(options.EVERY, "dynamic: a new target every N tokens, or at each `sentence`.", default="50"),
    ] = None
    samples: Annotated[int | None, _worded(options.SAMPLES, options.SAMPLES.help, default="all")] = None
    seed: Annotated[
        int | None, _worded(options.SEED, "Draws strips, halves, schedules and resamples.", default="42")
    ] = None
    prompt: Annotated[
        str | None,
        _worded(
            options.PROMPT,
            "The question.",
            default=f"static: {STATIC_PROMPT} vqa: {VQA_PROMPT} dynamic: {DYNAMIC_PROMPT} coco:"
            f" {NATURAL_PROMPT}",
        ),
    ] = None
    max_new_tokens: Annotated[
        int | None, _worded(options.MAX_NEW_TOKENS, "The longest answer, in tokens.", default="64")
    ] = None
    strength: Annotated[
        str | None, _steered(options.STRENGTH, options.STRENGTH.help, default=options.STRENGTH.show_default)
    ] = None
    mode: Annotated[
        options.ModeName | None, _steered(options.MODE, options.MODE.help, default="boost-suppress")
    ] = None
    scope: Annotated[
        options.ScopeName | None,
        _steered(options.SCOPE, options.SCOPE.help, default="full; of dynamic: answer"),
    ] = None
    batch_size: Annotated[
        str | None, _worded(options.BATCH_SIZE, "Texts written at a time: auto or a number.", default="auto")
    ] = None
    generations: Annotated[
        Path | None,
        typer.Option(
            "--generations", metavar="FILE", help="Write every text as JSON lines.", rich_help_panel=_JUDGING
        ),
    ] = None

    def wanted(self, heads: HeadOptions, compare: bool = False) -> Wanted:
        """As the library takes it, of the best heads that were asked for."""
        from gazecli.evaluation.wanted import Wanted

        asked = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _RUNNING}
        if self.every is not None and self.task == "dynamic":
            asked["every"] = number_or_auto(self.every, "--every", "sentence") or "sentence"
        top = number_or_auto(heads.top, "--top") or "auto"
        return Wanted(top=top, score=heads.score, compare=compare, **asked)

    def check_files(self, force: bool, forcing: str) -> None:
        """UsageError for a file of texts that could not be written; `force`, `forcing`: as for `writable`."""
        refuse_stdout(self.generations, "--generations")
        writable(self.generations, "--generations", force=force, forcing=forcing)


def check_judging(comics: Path | None, judging: JudgeOptions, loading: LoadOptions) -> None:
    """UsageError for the first option that cannot matter to texts that are written already."""
    from gazecli.evaluation.wanted import check_judging

    for name in given(loading) if judging.judge not in ("likelihood", "none") else ():
        hint = "the texts are written already, and no model is loaded"
        raise cannot_matter(name, f"with --judge {judging.judge or 'lexical'}", hint)
    check_judging(comics, judging.judging())


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
