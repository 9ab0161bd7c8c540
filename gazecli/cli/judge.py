"""`gaze judge FILE|HEADSET`: judge texts that are written already, and keep the result as an evaluation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache as remembered
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.completion import headset_names
from gazecli.cli.evaluate import NewReportOptions, computed_by, show_evaluations
from gazecli.cli.evaluate_options import JudgeOptions, check_judging
from gazecli.cli.inputs import check_model_matters, choose_heads, load_model
from gazecli.cli.options import HeadOptions, LoadOptions
from gazecli.cli.output import Output, resumable
from gazecli.errors import AnnotationsError

if TYPE_CHECKING:
    from gazecli.api.evaluation import Evaluation

NAME = "judge"


@cli_command(pages=True)
def command(
    output: Output,
    texts: Annotated[
        str,
        typer.Argument(
            metavar="FILE|HEADSET",
            autocompletion=headset_names,
            help="Texts that evaluate --generations wrote, or an evaluated head set.",
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
    model: options.HeadsModel = None,
) -> None:
    """Judge texts that are written already, and keep the result as an evaluation.

    Nothing is written anew, so the model is loaded only where it judges itself. Of a head set, all texts that
    were kept of it are judged; captions that were written since count where the comics are named.

    Example: gaze judge tiny comics/ --judge likelihood
    """
    check_judging(comics, judging, loading)
    from gazecli.api.judging import is_text_file

    file, headset = (Path(texts), None) if is_text_file(texts) else (None, texts)
    if judging.judge != "likelihood":
        check_model_matters(model, headset)
    found = judge_texts(
        output, file, HeadOptions(headset, model=model), comics, judging, loading, files.force
    )
    show_evaluations(output, files, found)


def judge_texts(
    output: Output,
    file: Path | None,
    heads: HeadOptions,
    comics: Path | None,
    options: JudgeOptions,
    loading: LoadOptions,
    force: bool = False,
) -> list[Evaluation]:
    """The evaluations of the texts in `file`, or of all that are kept of the head set.

    Raises AnnotationsError for a damaged file, texts of another head set, other pictures than they are about
    or missing captions, HeadSetError when the head set is not here or was never evaluated.
    """
    from gazecli.api.judging import Rejudging, kept_texts
    from gazecli.reports.generations import read_generations

    if file is None:
        chosen = choose_heads(output, heads, loading)
        written = kept_texts(chosen.headset, chosen.cache)
    else:
        written = [read_generations(file)]
        chosen = choose_heads(output, replace(heads, heads=heads.heads or written[0].headset), loading)
        if chosen.headset.digest != written[0].headset:
            raise AnnotationsError(
                f"these texts were written with head set {written[0].headset}",
                subject=str(file),
                hint="leave the head set out",
            )
    load = remembered(lambda: load_model(output, chosen, loading))
    work = Rejudging(chosen.headset, comics, options.judging(), computed_by(loading), chosen.cache)
    with resumable(output, "what a judge on the network answered so far"):
        return work.judged(written, load, anew=force, note=output.note)
