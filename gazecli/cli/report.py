"""`gaze report [HEADSET]`: what a head set is, and all evaluations that are kept of it; made for pipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli import options
from gazecli.cli.command import HIDDEN, cli_command, works_alone
from gazecli.cli.evaluate_options import (
    Compare,
    EvaluationOptions,
    check_evaluation,
    check_judging,
    check_report,
)
from gazecli.cli.files import check_force
from gazecli.cli.inputs import choose_heads
from gazecli.cli.options import HeadOptions, ModelOptions, cannot_matter, hidden, number_or_auto, with_help
from gazecli.cli.output import Output
from gazecli.cli.report_output import SHOWN, ReportOptions, write_report

if TYPE_CHECKING:
    from gazecli.cli.evaluate import Evaluated

NAME = "report"


@cli_command(shared=True, pages=True)
def command(
    output: Output,
    headset: Annotated[
        str | None, typer.Argument(metavar="HEADSET", help="A digest, file or model; else the one used last.")
    ] = None,
    *,
    files: ReportOptions,
    top: Annotated[
        str, with_help(options.TOP, "How many heads to show or compare: auto or a number.")
    ] = "auto",
    compare: Compare = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="HEADSET",
            help="Set another head set beside it: heads shared, steering by both.",
        ),
    ] = None,
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
    from gazecli.cache import Cache
    from gazecli.reports.headset import against_part, report_document, unsteered_comparison
    from gazecli.reports.kept_evaluation import kept_blocks

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
        check_evaluation(evaluate, evaluation, top, files.force, files.forcing)
    if (evaluate is None or rejudge is not None) and not works_alone(output):
        return
    found: list[Evaluated] = []
    comparison = None
    if rejudge is not None:
        from gazecli.cli.judge import judge_texts

        found = judge_texts(output, rejudge, headset, evaluate, evaluation, loading)
    else:
        counted = top if evaluate is not None or compare else "auto"
        wanted = HeadOptions(headset, counted, score)
        chosen = choose_heads(output, wanted)
        if evaluate is not None:
            from gazecli.cli.evaluate import run_evaluation

            scenes = form == "html"
            done = run_evaluation(
                output, chosen, wanted, evaluate, evaluation, loading, compare, with_scenes=scenes
            )
            if done is None:
                return
            found = [done]
        elif compare:
            comparison = unsteered_comparison(chosen.headset, len(chosen.heads))
    evaluated = found[0].headset if found else chosen.headset
    now = {each.kept.digest for each in found}
    kept = kept_blocks(Cache(warn=output.warning), evaluated.digest)
    blocks = [(each.part, each.comparison) for each in found]
    blocks += [block for block in kept if block[0].digest not in now]
    compared = [comparison, *(compared for _, compared in blocks)]
    newest = next((each for each in compared if each is not None), None)
    parts = [part for part, _ in blocks]
    beside = None
    if against is not None:
        other = choose_heads(output, HeadOptions(against)).headset
        others = [part for part, _ in kept_blocks(Cache(warn=output.warning), other.digest)]
        count = number_or_auto(top, "--top")
        beside = against_part(evaluated, other, "auto" if count is None else count, parts, others)
    report = report_document(evaluated, shown, parts, newest, beside)
    write_report(output, files, report, shown, found[0].scenes if found else ())
