"""`gaze evaluate HEADSET COMICS`: run an evaluation and keep it, or show the one that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache as remembered
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.completion import headset_names
from gazecli.cli.evaluate_options import Compare, EvaluationOptions
from gazecli.cli.files import save_text
from gazecli.cli.inputs import ChosenHeads, choose_heads, load_model, note_default
from gazecli.cli.options import HeadOptions, LoadOptions, ModelOptions, with_help
from gazecli.cli.output import Output, later_progress, resumable, staged_progress
from gazecli.cli.report_output import ReportOptions, write_report
from gazecli.distributed.launcher import current_launch

if TYPE_CHECKING:
    from gazecli.api.evaluation import Evaluation
    from gazecli.evaluation.wanted import Wanted

NAME = "evaluate"
SHOWN_SCENES = 6


@dataclass(frozen=True)
class NewReportOptions(ReportOptions):
    """Files to write of what is computed, which may be kept already: forced are both."""

    forcing: ClassVar[str] = "make it writable, or add --force, which computes again too"
    force: Annotated[
        bool,
        with_help(options.FORCE, "Compute again what is kept already, and replace files that are read-only."),
    ] = False


@cli_command(shared=True, pages=True)
def command(
    output: Output,
    headset: Annotated[
        str,
        typer.Argument(
            metavar="HEADSET",
            autocompletion=headset_names,
            help="A digest, file, model, hf:OWNER/REPO, or heads: 3.4,3.5.",
        ),
    ],
    comics: Annotated[
        Path, typer.Argument(metavar="COMICS", help="A folder of comics, or coco for natural pictures.")
    ],
    *,
    evaluation: EvaluationOptions,
    loading: ModelOptions,
    files: NewReportOptions,
    top: Annotated[
        str,
        with_help(options.TOP, "How many heads to steer: auto or a number.", panel=options.STEERING),
    ] = "auto",
    score: options.Score = "auto",
    model: options.HeadsModel = None,
    compare: Compare = False,
) -> None:
    """Steer heads on comics, count how often that redirected the answer, and keep the evaluation.

    An answer counts when, of the strip's captions, its words fit the one of the panel the heads were pointed
    at. Beside the best heads stand five draws of others from the same layers, all heads, and none; and the
    same heads made blind while the model is asked about each panel. A second call with the same head set,
    comics and settings shows what is kept; gaze report shows all that is kept of a head set. Processes
    started by torchrun or accelerate launch share the pictures.

    Every text is kept as it is written. A call that was stopped goes on where it was; more strips, more
    controls or another judge cost only what is new.

    Example: gaze evaluate tiny comics/ --samples 20 -o report.html
    """
    heads = HeadOptions(headset, top, score, model)
    wanted = evaluation.wanted(heads, compare)
    evaluation.check_files(files.force, files.forcing)
    wanted.check(comics)
    chosen = choose_heads(output, heads, loading)
    shown = SHOWN_SCENES if files.format(output) == "html" else 0
    found = run_evaluation(output, chosen, comics, wanted, evaluation, loading, files.force, shown)
    if found is not None:
        show_evaluations(output, files, [found])


def show_evaluations(output: Output, files: ReportOptions, found: Sequence[Evaluation]) -> None:
    """Print evaluations of one head set, or write the report of it with these."""
    from gazecli.reports.headset import report_document

    parts = [each.part for each in found]
    report = report_document(found[0].headset, evaluations=parts, comparison=found[0].comparison)
    documents = [each.document() for each in found]
    write_report(output, files, report, scenes=found[0].scenes, evaluations=documents)


def run_evaluation(
    output: Output,
    chosen: ChosenHeads,
    comics: Path,
    wanted: Wanted,
    evaluation: EvaluationOptions,
    loading: ModelOptions,
    force: bool = False,
    shown: int = 0,
) -> Evaluation | None:
    """The evaluation, run and kept or found again; None in a launched process other than the first.

    `shown` pictures come with the attention of each token, for which the model is loaded anyway.
    """
    from gazecli.api.evaluate import Prepared
    from gazecli.heads.discover import parse_batch_size
    from gazecli.heads.headset_store import note_headset
    from gazecli.reports.generations import generations_part

    batch_size = parse_batch_size(evaluation.batch_size or "auto")
    protocol = wanted.protocol_of(chosen.headset)
    if protocol is not None:
        output.note(f"the paper's protocol, where nothing else is given: {protocol.words}")
    note = output.note if current_launch().is_first else output.detail
    ready = Prepared.of(chosen.headset, comics, wanted, computed_by(loading), chosen.cache, note)
    load = remembered(lambda: load_model(output, chosen, loading))
    with (
        resumable(output, "every text written so far"),
        staged_progress(output, "evaluating", "pictures") as (stage, step),
    ):
        found = ready.evaluate(load, batch_size=batch_size, anew=force, progress=step, stage=stage, note=note)
    if not current_launch().is_first:
        return None
    note_headset(chosen.cache, found.headset, chosen.model)
    for warning in found.part.warnings:
        output.warning(warning)
    choice = found.part.choice or found.part.score_choice
    if choice is not None and choice.refused is not None:
        output.note(f"the choice is not kept as a suggestion: {choice.refused}")
    elif choice is not None:
        output.note(f"the choice is kept as head set {found.headset.digest}")
        note_default(output, chosen.cache, found.headset)
    if evaluation.generations is not None:
        text = found.texts
        save_text(text, evaluation.generations)
        output.note(f"every text is written to {evaluation.generations}")
        written = generations_part(str(evaluation.generations), text)
        found = replace(found, part=found.part.model_copy(update={"generations": written}))
    if shown:
        vlm = load()
        with later_progress(output, "watching", "pictures") as step:
            found = replace(found, scenes=ready.scenes(found, vlm, shown, step))
    return found


def computed_by(loading: LoadOptions) -> dict[str, object]:
    """Which device, type and preprocessing a request names."""
    keywords = loading.keywords()
    return {
        "device": keywords["device"] or "auto",
        "dtype": keywords["dtype"] or "auto",
        "squash": keywords.get("squash", True),
        # What was asked for without it keeps its name.
        **({} if loading.image_tokens is None else {"image_tokens": loading.image_tokens}),
    }
