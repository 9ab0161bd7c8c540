"""`gaze report [HEADSET]`: what a head set is, and all evaluations that are kept of it; made for pipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli import options
from gazecli.cli.command import HIDDEN, cli_command, works_alone
from gazecli.cli.completion import headset_names
from gazecli.cli.evaluate_options import (
    Compare,
    EvaluationOptions,
    check_judging,
    check_report,
)
from gazecli.cli.files import check_force
from gazecli.cli.inputs import check_model_matters, choose_heads
from gazecli.cli.options import HeadOptions, ModelOptions, hidden, number_or_auto, with_help
from gazecli.cli.output import Output
from gazecli.cli.report_output import ReportOptions, write_report
from gazecli.errors import cannot_matter
from gazecli.reports.files import SHOWN

if TYPE_CHECKING:
    from gazecli.api.evaluation import Evaluation

NAME = "report"


@cli_command(shared=True, pages=True)
def command(
    output: Output,
    headset: Annotated[
        str | None,
        typer.Argument(
            metavar="HEADSET",
            autocompletion=headset_names,
            help="A digest, file, model, hf:OWNER/REPO, or heads: 3.4,3.5.",
            show_default="the last used",
        ),
    ] = None,
    *,
    files: ReportOptions,
    top: Annotated[
        str,
        with_help(
            options.TOP, "How many heads to show or compare: auto or a number.", default=f"auto: {SHOWN}"
        ),
    ] = "auto",
    compare: Compare = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="HEADSET",
            autocompletion=headset_names,
            help="Set another head set beside it: heads shared, steering by both.",
        ),
    ] = None,
    model: options.HeadsModel = None,
    evaluate: Annotated[Path | None, typer.Option("--evaluate", metavar="COMICS", hidden=True)] = None,
    rejudge: Annotated[Path | None, typer.Option("--rejudge", metavar="FILE", hidden=True)] = None,
    score: Annotated[options.ScoreName, hidden(options.SCORE)] = "auto",
    evaluation: Annotated[EvaluationOptions, HIDDEN],
    loading: Annotated[ModelOptions, HIDDEN],
) -> None:
    """Show what a head set is, and all evaluations that are kept of it.

    Loads no model: what gaze evaluate and gaze judge found is kept, and all of it is shown.

    Example: gaze report tiny -o report.html
    """
    # --evaluate and --rejudge are the short forms of those two commands followed by this one.
    from gazecli.api.report import report_of
    from gazecli.cache import Cache
    from gazecli.reports.headset import unsteered_comparison

    shown = number_or_auto(top, "--top") or SHOWN
    form = files.format(output)
    check_force(files.force, files.destination, files.figures, evaluation.generations)
    if form == "csv" and evaluate is None and not compare and top != "auto":
        raise cannot_matter("top", "in CSV, which lists every head", subject=top)
    if form == "csv" and against is not None:
        raise cannot_matter("against", "in CSV, whose lines are of one head set", subject=against)
    # A plain report shows as many heads as --top says.
    more = ["score"] * (score != "auto") + ["top"] * (rejudge is not None and top != "auto")
    check_report(evaluate, rejudge, evaluation, loading, more)
    if rejudge is not None:
        check_judging(evaluate, evaluation, loading)
    elif evaluate is not None:
        evaluation.check_files(files.force, files.forcing)
        evaluation.wanted(HeadOptions(headset, top, score), compare).check(evaluate)
    if evaluate is None:
        check_model_matters(model, headset, against)
    if (evaluate is None or rejudge is not None) and not works_alone(output):
        return
    found: list[Evaluation] = []
    comparison = None
    if rejudge is not None:
        from gazecli.cli.judge import judge_texts

        found = judge_texts(output, rejudge, HeadOptions(headset, model=model), evaluate, evaluation, loading)
    else:
        counted = top if evaluate is not None or compare else "auto"
        heads = HeadOptions(headset, counted, score, model)
        chosen = choose_heads(output, heads, loading if evaluate is not None else None)
        if evaluate is not None:
            from gazecli.cli.evaluate import SHOWN_SCENES, run_evaluation

            scenes = SHOWN_SCENES if form == "html" else 0
            wanted = evaluation.wanted(heads, compare)
            done = run_evaluation(output, chosen, evaluate, wanted, evaluation, loading, shown=scenes)
            if done is None:
                return
            found = [done]
        elif compare:
            comparison = unsteered_comparison(chosen.headset, len(chosen.heads))
    made = report_of(
        found[0].headset if found else chosen.headset,
        Cache(warn=output.warning),
        shown=shown,
        found=found,
        comparison=comparison,
        against=None if against is None else choose_heads(output, HeadOptions(against, model=model)).headset,
        count=number_or_auto(top, "--top") or "auto",
    )
    write_report(output, files, made.document(), shown, made.scenes)
