"""`gaze judge FILE|HEADSET`: judge texts that are written already, and keep the result as an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli.command import cli_command
from gazecli.cli.evaluate import (
    Evaluated,
    NewReportOptions,
    as_kept,
    computed_by,
    judge_without_model,
    judged_by,
    keep_evaluation,
    likelihood_judge,
    open_examples,
    show_evaluations,
)
from gazecli.cli.evaluate_options import EvaluationOptions, JudgeOptions, check_judging
from gazecli.cli.inputs import ChosenHeads, choose_heads, load_model
from gazecli.cli.options import HeadOptions, LoadOptions
from gazecli.cli.output import Output
from gazecli.errors import AnnotationsError, HeadSetError

if TYPE_CHECKING:
    from gazecli.evaluation.examples import Example
    from gazecli.models.vlm import VLM
    from gazecli.reports.generations import Generations

NAME = "judge"


@cli_command(pages=True)
def command(
    output: Output,
    texts: Annotated[
        str,
        typer.Argument(
            metavar="FILE|HEADSET", help="Texts that evaluate --generations wrote, or an evaluated head set."
        ),
    ],
    comics: Annotated[
        Path | None,
        typer.Argument(metavar="COMICS", help="The pictures the texts are about, for judges that see them."),
    ] = None,
    *,
    judging: JudgeOptions,
    loading: LoadOptions,
    files: NewReportOptions,
) -> None:
    """Judge texts that are written already, and keep the result as an evaluation.

    Nothing is written anew, so the model is loaded only where it judges itself. Of a head set, all texts that
    were kept of it are judged; captions that were written since count where the comics are named.

    Example: gaze judge tiny comics/ --judge likelihood
    """
    check_judging(comics, judging, loading)
    file, headset = (Path(texts), None) if _is_text_file(Path(texts)) else (None, texts)
    found = judge_texts(output, file, headset, comics, judging, loading, files.force)
    show_evaluations(output, files, found)


def judge_texts(
    output: Output,
    file: Path | None,
    headset: str | None,
    comics: Path | None,
    options: JudgeOptions,
    loading: LoadOptions,
    force: bool = False,
) -> list[Evaluated]:
    """The evaluations of the texts in `file`, or of all that are kept of the head set.

    Raises AnnotationsError for a damaged file, texts of another head set, other pictures than they are about
    or missing captions, HeadSetError when the head set is not here or was never evaluated.
    """
    from gazecli.reports.generations import read_generations

    if file is None:
        chosen = choose_heads(output, HeadOptions(headset))
        written = _kept_texts(chosen)
    else:
        written = [read_generations(file)]
        chosen = choose_heads(output, HeadOptions(headset or written[0].headset))
        if chosen.headset.digest != written[0].headset:
            raise AnnotationsError(
                f"these texts were written with head set {written[0].headset}",
                subject=str(file),
                hint="leave the head set out",
            )
    load = cache(lambda: load_model(output, chosen, loading))
    found: list[Evaluated] = []
    failures: list[AnnotationsError] = []
    for texts in written:
        try:
            found.append(_judged(output, chosen, texts, comics, options, loading, load, force))
        except AnnotationsError as error:
            # Kept texts may be about other pictures than those at hand.
            failures.append(error)
    if not found:
        raise failures[0]
    for failure in failures:
        output.note(f"not judged: {failure}")
    return found


def _is_text_file(path: Path) -> bool:
    """Whether `path` is a file and no head set's, which begins with a number of eight bytes."""
    try:
        with path.open("rb") as file:
            return b"\0" not in file.read(8)
    except (OSError, ValueError):
        return False


def _kept_texts(chosen: ChosenHeads) -> list[Generations]:
    """All texts that are kept of a head set, newest first, each once."""
    from gazecli.evaluation.store import evaluations_of
    from gazecli.reports.generations import generations_of

    found = reversed(evaluations_of(chosen.cache, chosen.headset.digest))
    # What stands before the texts says what is known of the pictures, which may be more today.
    kept = {each.lines.split("\n", each.evaluation["strips"])[-1]: each for each in found}
    if not kept:
        raise HeadSetError(
            "no texts are kept of this head set",
            subject=chosen.headset.digest,
            hint="not evaluated yet: gaze evaluate HEADSET COMICS",
            code="evaluation.none",
        )
    return [generations_of(each) for each in reversed(kept.values())]


def _judged(
    output: Output,
    chosen: ChosenHeads,
    texts: Generations,
    comics: Path | None,
    options: JudgeOptions,
    loading: LoadOptions,
    load: Callable[[], VLM],
    force: bool,
) -> Evaluated:
    from gazecli.evaluation.metrics import run_metrics
    from gazecli.evaluation.store import found_again, judging_request
    from gazecli.evaluation.trials import rejudge_runs
    from gazecli.reports.evaluation import rejudged_part
    from gazecli.reports.generations import text_lines

    part, examples = texts.part, texts.examples
    if comics is not None:
        # Without a judge, pictures without captions count too.
        named = options.layout, options.rtl, options.spread, options.annotations, options.images
        wanted = EvaluationOptions(*named, judge="none", min_area=part.settings.min_area)
        examples = _matched(texts, open_examples(output, comics, wanted, chosen.headset).usable)
    judge = judge_without_model(options.judge, chosen.cache)
    for example in examples if judge is not None and judge.name == "lexical" else ():
        if example.truths is None:
            raise AnnotationsError(
                "the lexical judge needs captions, and a picture has none",
                subject=example.name,
                hint=f"write its captions and name the comics too, or judge {texts.source} otherwise",
            )
    lines, _ = text_lines(examples, texts.runs)
    by = {**judged_by(options.judge, judge), **computed_by(loading), "sees": comics is not None}
    request = judging_request(texts.headset, lines, part.settings.model_dump(mode="json"), by)
    kept = None if force else found_again(chosen.cache, request)
    if kept is not None:
        return as_kept(output, chosen, kept, part.comics.path)
    judge = judge or likelihood_judge(load(), part.task, part.settings.prompt)
    runs = rejudge_runs(texts.runs, examples, judge)
    metrics = run_metrics(runs, examples, part.task == "dynamic", part.settings.seed)
    judged = rejudged_part(part, judge, runs, metrics, examples)
    return keep_evaluation(chosen.cache, chosen.headset, judged, None, examples, runs, request)


def _matched(texts: Generations, found: list[Example]) -> list[Example]:
    """The pictures at hand that the texts are about, in the texts' order."""
    # A picture may be listed twice, with other regions.
    known = {(example.name, example.identity): example for example in found}
    matched = []
    for example in texts.examples:
        same = known.get((example.name, example.digest))
        if same is None:
            raise AnnotationsError(
                "these texts are about other pictures than those at hand",
                subject=example.name,
                hint=f"give the pictures that the texts of {texts.source} were written about",
            )
        matched.append(same)
    return matched
