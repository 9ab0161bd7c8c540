"""`gaze evaluate HEADSET COMICS`: run an evaluation and keep it, or show the one that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from gazecli.cli import options
from gazecli.cli.command import cli_command
from gazecli.cli.evaluate_options import Compare, EvaluationOptions, JudgeName, check_evaluation, is_coco
from gazecli.cli.files import save_text
from gazecli.cli.inputs import ChosenHeads, choose_heads, load_model
from gazecli.cli.options import HeadOptions, LoadOptions, ModelOptions, TaskName, number_or_auto, with_help
from gazecli.cli.output import Output, progress
from gazecli.cli.report_output import ReportOptions, write_report
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.cache import Cache
    from gazecli.evaluation.evaluate import Plan
    from gazecli.evaluation.examples import Example, Examples
    from gazecli.evaluation.judges.judge import Judge
    from gazecli.evaluation.protocol import Protocol
    from gazecli.evaluation.store import KeptEvaluation
    from gazecli.evaluation.trials import Run
    from gazecli.heads.headset import HeadSet
    from gazecli.models.attention.modes import Scope
    from gazecli.models.vlm import VLM
    from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationPart
    from gazecli.reports.page.scenes import Scene

NAME = "evaluate"
# A caption-like answer needs no more; a model that never ends would cost many times as much.
_LONGEST_ANSWER = 64
_SHOWN_SCENES = 6


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
    headset: Annotated[str, typer.Argument(metavar="HEADSET", help="A digest, file or model.")],
    comics: Annotated[
        Path, typer.Argument(metavar="COMICS", help="A folder of comics, or coco for natural pictures.")
    ],
    *,
    evaluation: EvaluationOptions,
    loading: ModelOptions,
    files: NewReportOptions,
    top: Annotated[str, with_help(options.TOP, "How many heads to steer: auto or a number.")] = "auto",
    score: options.Score = "auto",
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
    check_evaluation(comics, evaluation, top, files.force, files.forcing)
    chosen = choose_heads(output, HeadOptions(headset, top, score))
    wanted = HeadOptions(headset, top, score)
    protocol = protocol_of(evaluation, chosen)
    if protocol is not None:
        output.note(f"the paper's protocol, where nothing else is given: {protocol.words}")
        count = top if top != "auto" or protocol.top is None else str(protocol.top)
        wanted = HeadOptions(headset, count, protocol.score if score == "auto" else score)
        chosen = choose_heads(output, wanted)
    with_scenes = files.format(output) == "html"
    found = run_evaluation(
        output, chosen, wanted, comics, evaluation, loading, compare, files.force, with_scenes
    )
    if found is not None:
        show_evaluations(output, files, [found])


@dataclass(frozen=True)
class Evaluated:
    """A kept evaluation, the head set that it steered (its suggestion may be a new one), and its blocks.

    scenes: a few of its pictures for an HTML page.
    """

    headset: HeadSet
    kept: KeptEvaluation
    cached: bool
    part: EvaluationPart
    comparison: ComparisonPart | None = None
    scenes: Sequence[Scene] = ()


def show_evaluations(output: Output, files: ReportOptions, found: list[Evaluated]) -> None:
    """Print evaluations of one head set, or write the report of it with these."""
    from gazecli.reports.headset import report_document
    from gazecli.reports.kept_evaluation import evaluation_document

    parts = [each.part for each in found]
    report = report_document(found[0].headset, evaluations=parts, comparison=found[0].comparison)
    documents = [evaluation_document(each.kept, each.part, each.comparison, each.cached) for each in found]
    write_report(output, files, report, scenes=found[0].scenes, evaluations=documents)


def run_evaluation(
    output: Output,
    chosen: ChosenHeads,
    wanted: HeadOptions,
    comics: Path,
    evaluation: EvaluationOptions,
    loading: ModelOptions,
    compare: bool,
    force: bool = False,
    with_scenes: bool = False,
) -> Evaluated | None:
    """The evaluation, run and kept or found again; None in a launched process other than the first.

    `wanted` is what `chosen` was chosen by. `with_scenes` adds a few pictures with the attention of each
    token, for which the model is loaded anyway.
    """
    from gazecli.distributed.group import join
    from gazecli.evaluation.store import evaluation_request
    from gazecli.evaluation.sweep import halves
    from gazecli.heads.discover import parse_batch_size
    from gazecli.heads.headset_store import note_headset
    from gazecli.reports.generations import generations_part, generations_text

    plan = plan_of(evaluation, chosen, wanted, compare, is_coco(comics))
    batch_size = parse_batch_size(evaluation.batch_size or "auto")
    judge = judge_without_model(evaluation.judge, chosen.cache, forced=plan.protocol is not None)
    examples = open_examples(output, comics, evaluation, chosen.headset)
    numbers = list(range(len(examples.usable)))
    if plan.sweep is not None:
        # Too few to split is found out before a model is loaded.
        _, numbers = halves(len(numbers), plan.seed)
    settings = {**asdict(plan), **computed_by(loading)}
    request = evaluation_request(
        chosen.headset.digest, examples, settings, judged_by(evaluation.judge, judge)
    )

    def find() -> KeptEvaluation | None:
        return None if force else join().from_first(lambda: _found_again(chosen, request))

    kept = find()
    vlm, found, is_first = None, None, current_launch().is_first
    # Waits while another run evaluates the same, so that its evaluation can be taken.
    waiting = partial(output.note, "another run evaluates the same; waiting for it")
    alone = chosen.cache.working_on(request, on_wait=waiting) if is_first and not kept else nullcontext()
    with alone:
        kept = kept or find()
        if kept is None:
            from gazecli.evaluation.evaluate import evaluate
            from gazecli.reports.evaluation import comparison_part, evaluation_part

            chosen.cache.ensure_writable()
            vlm = load_model(output, chosen, loading)
            if evaluation.judge == "likelihood":
                judge = likelihood_judge(vlm, plan.task, plan.settings.prompt)
            try:
                with progress(output, "evaluating", "pictures") as step:
                    done = evaluate(
                        vlm, chosen.headset, examples, plan, judge, chosen.cache, step, batch_size, force
                    )
            except KeyboardInterrupt:
                output.note("every text written so far is kept: the same command goes on from there")
                raise
            draws = sum(each.condition.name == "control" for each in done.runs)
            if draws < plan.controls:
                output.note(f"{draws} of {plan.controls} controls: there are no other heads to draw")
            if is_first:
                part = evaluation_part(vlm, done, chosen.headset.digest, judge)
                compared = comparison_part(done) if compare else None
                found = keep_evaluation(
                    chosen.cache, done.headset, part, compared, examples.usable, done.runs, request
                )
        elif is_first:
            found = as_kept(output, chosen, kept, str(examples.comics.path))
    if found is None:
        return None
    note_headset(chosen.cache, found.headset, chosen.model)
    choice = found.part.choice or found.part.score_choice
    if choice is not None and choice.refused is not None:
        output.note(f"the choice is not kept as a suggestion: {choice.refused}")
    elif choice is not None:
        output.note(f"the choice is kept as head set {found.headset.digest}")
        if found.headset.digest != chosen.headset.digest:
            # The same call finds it again when the head set meant is the new one.
            now = choose_heads(output, replace(wanted, heads=found.headset.digest))
            plan_now = plan_of(evaluation, now, wanted, compare, is_coco(comics))
            settings = {**asdict(plan_now), **computed_by(loading)}
            judged = judged_by(evaluation.judge, judge)
            chosen.cache.remember(
                evaluation_request(now.headset.digest, examples, settings, judged), found.kept.digest
            )
    if evaluation.generations is not None:
        text = generations_text(found.kept, found.part)
        save_text(text, evaluation.generations)
        output.note(f"every text is written to {evaluation.generations}")
        written = generations_part(str(evaluation.generations), text)
        found = replace(found, part=found.part.model_copy(update={"generations": written}))
    if with_scenes:
        from gazecli.evaluation.evaluate import generate_with_maps
        from gazecli.reports.page.scenes import scene_of_example

        chose = found.part.settings
        heads = found.headset.top(chose.top, chose.score)
        plan = replace(plan, settings=replace(plan.settings, strength=chose.strength))
        vlm = vlm or load_model(output, chosen, loading)
        scenes: list[Scene] = []
        shown = numbers[:_SHOWN_SCENES]
        with progress(output, "watching", "pictures") as step:
            for number in shown:
                example = examples.usable[number]
                generated = generate_with_maps(vlm, example, number, heads, plan)
                scenes.append(scene_of_example(example, generated))
                step(len(scenes), len(shown))
        found = replace(found, scenes=scenes)
    return found


def _found_again(chosen: ChosenHeads, request: Mapping[str, Any]) -> KeptEvaluation | None:
    """What is kept, unless a sweep made a head set that is gone."""
    from gazecli.evaluation.store import found_again

    kept = found_again(chosen.cache, request)
    same = kept is None or kept.headset == chosen.headset.digest or chosen.cache.get(kept.headset) is not None
    return kept if same else None


def keep_evaluation(
    cache: Cache,
    headset: HeadSet,
    part: EvaluationPart,
    comparison: ComparisonPart | None,
    examples: Sequence[Example],
    runs: Sequence[Run],
    request: Mapping[str, Any],
) -> Evaluated:
    """Put an evaluation with all its texts into the cache, as the answer to `request`."""
    from gazecli.evaluation.store import keep
    from gazecli.reports.generations import text_lines
    from gazecli.reports.kept_evaluation import kept_evaluation

    kept = keep(cache, kept_evaluation(headset, part, comparison, *text_lines(examples, runs)), request)
    part = part.model_copy(update={"digest": kept.digest})
    return Evaluated(headset, kept, False, part, comparison)


def as_kept(output: Output, chosen: ChosenHeads, kept: KeptEvaluation, comics: str | None) -> Evaluated:
    """An evaluation that was found again; `comics` is where its pictures lie today."""
    from gazecli.heads.headset_store import headset_of
    from gazecli.reports.kept_evaluation import comparison_of, evaluation_of

    output.note("this evaluation was kept, and is not run again")
    part = evaluation_of(kept)
    part = part.model_copy(update={"comics": part.comics.model_copy(update={"path": comics})})
    headset = (
        chosen.headset if kept.headset == chosen.headset.digest else headset_of(kept.headset, chosen.cache)
    )
    return Evaluated(headset, kept, True, part, comparison_of(kept))


def scores_to_try(
    evaluation: EvaluationOptions, chosen: ChosenHeads, wanted: HeadOptions, natural: bool
) -> tuple[str, ...]:
    """The scores that steering chooses among: which of two steers better depends on the model.

    A sweep over heads tries both. So does an evaluation of all that a head set suggests, where steering has
    not tested that yet and the scores rank other heads first.
    """
    from gazecli.evaluation.score_choice import SCORES, are_apart

    headset = chosen.headset
    if evaluation.sweep == "heads":
        among = SCORES if wanted.score == "auto" else (wanted.score,)
        return tuple(score for score in among if headset.has(score))
    left_alone = (evaluation.sweep, evaluation.protocol, evaluation.mode) == (None, None, None)
    suggested = (wanted.score, wanted.top) == ("auto", "auto") and headset.is_untested
    if not left_alone or not suggested or natural or evaluation.judge == "none":
        return ()
    apart = chosen.score in SCORES and are_apart(headset, len(chosen.heads))
    return (chosen.score, *(score for score in SCORES if score != chosen.score)) if apart else ()


def protocol_of(evaluation: EvaluationOptions, chosen: ChosenHeads) -> Protocol | None:
    """What the preset that was asked for sets, for this task and model."""
    if evaluation.protocol is None:
        return None
    from gazecli.evaluation.protocol import paper_protocol

    task: TaskName = evaluation.task or "static"
    return paper_protocol(task, str(chosen.headset.model["id"]), evaluation.controls)


def plan_of(
    evaluation: EvaluationOptions,
    chosen: ChosenHeads,
    wanted: HeadOptions,
    compare: bool,
    natural: bool,
) -> Plan:
    """What to run, `chosen` by `wanted`; UsageError for settings that make no sense."""
    from gazecli.evaluation.coco import PROMPT
    from gazecli.evaluation.conditions import CONTROLS
    from gazecli.evaluation.evaluate import PROMPTS, Plan
    from gazecli.heads.questions import DISCOVERY_PROMPT
    from gazecli.steering.settings import SteerSettings

    task: TaskName = evaluation.task or "static"
    every = "50" if evaluation.every is None else evaluation.every
    length = number_or_auto(every, "--every", "sentence") if task == "dynamic" else None
    prompt = PROMPT if natural else PROMPTS[task]
    protocol = protocol_of(evaluation, chosen)
    scope: Scope = "answer" if task == "dynamic" else "full"
    longest, strength = _LONGEST_ANSWER, evaluation.strength or "auto"
    if protocol is not None:
        longest, scope = protocol.max_new_tokens, protocol.scope
        strength = evaluation.strength or str(protocol.strength)
    if strength == "auto":
        strength = f"{chosen.headset.resolve_strength():.10g}"
    settings = SteerSettings(
        prompt if evaluation.prompt is None else evaluation.prompt,
        strength,
        evaluation.mode or "boost-suppress",
        evaluation.scope or scope,
        evaluation.max_new_tokens if evaluation.max_new_tokens is not None else length or longest,
    )
    settings.check()
    if settings.mode == "blind":
        raise UsageError(
            "--mode blind turns heads away from a region, and evaluate asks whether they turn to it",
            hint="leave --mode out: the same heads blinded are among the conditions of static and vqa",
        )
    # A narration asks nothing about a place, and the things of a natural picture have none to be asked by.
    # An imported ranking does not say how its heads were found; what was asked about texts asks for no panel.
    asked = chosen.headset.question if chosen.headset.kind == "pictures" else None
    by_place = asked or DISCOVERY_PROMPT
    return Plan(
        task,
        settings,
        len(chosen.heads),
        chosen.score,
        _seed(evaluation),
        length,
        evaluation.sweep,
        None if natural or task == "dynamic" else by_place,
        compare,
        evaluation.min_area,
        scores_to_try(evaluation, chosen, wanted, natural),
        CONTROLS if evaluation.controls is None else evaluation.controls,
        0 if protocol is None else protocol.low_controls,
        None if protocol is None else protocol.name,
    )


def judge_without_model(name: JudgeName | None, cache: Cache, forced: bool = False) -> Judge | None:
    """The judge, as far as it needs no model: None for `none`, and for `likelihood` until there is one.

    `forced`: an endpoint has to choose a region.
    """
    if name == "endpoint":
        from gazecli.evaluation.judges.endpoint import Address, EndpointJudge

        return EndpointJudge(Address.of_environment(), cache, forced)
    from gazecli.evaluation.judges.lexical import LexicalJudge

    return LexicalJudge() if name in (None, "lexical") else None


def likelihood_judge(vlm: VLM, task: str, prompt: str) -> Judge:
    """The model itself, asked the same question; of a narration, what happens in a panel."""
    from gazecli.evaluation.judges.likelihood import LikelihoodJudge
    from gazecli.steering.settings import STATIC_PROMPT

    return LikelihoodJudge(vlm, STATIC_PROMPT if task == "dynamic" else prompt)


def judged_by(name: JudgeName | None, judge: Judge | None) -> dict[str, object]:
    """Which judge a request names."""
    address = getattr(judge, "address", None)
    asked = {"model": address.model, "endpoint": address.shown} if address is not None else {}
    return {"name": name or "lexical", **asked}


def computed_by(loading: LoadOptions) -> dict[str, object]:
    """Which device, type and preprocessing a request names."""
    keywords = loading.keywords()
    return {
        "device": keywords["device"] or "auto",
        "dtype": keywords["dtype"] or "auto",
        "squash": keywords.get("squash", True),
    }


def open_examples(output: Output, comics: Path, evaluation: EvaluationOptions, headset: HeadSet) -> Examples:
    """The pictures to evaluate on; what had to be left out is noted."""
    from gazecli.evaluation.coco import coco_examples
    from gazecli.evaluation.examples import examples_of
    from gazecli.pictures.comics.comics import open_comics
    from gazecli.pictures.compose import GAP, HEIGHT

    annotations, images, samples = evaluation.annotations, evaluation.images, evaluation.samples
    seed = _seed(evaluation)
    if is_coco(comics) and annotations is not None and images is not None:
        found = coco_examples(annotations, images, evaluation.min_area or 0.0, samples, seed)
    else:
        settings = headset.header["settings"]
        opened = open_comics(
            comics,
            panels=headset.panels,
            height=int(settings.get("height", HEIGHT)),  # heads found on texts know no size
            gap=int(settings.get("gap", GAP)),
            samples=samples,
            seed=seed,
            layout=evaluation.layout,
        )
        found = examples_of(opened, need_captions=evaluation.judge in (None, "lexical"))
    for skip in found.skipped:
        output.note(f"skipped {skip.path}: {skip.reason}")
    return found


def _seed(evaluation: EvaluationOptions) -> int:
    return 42 if evaluation.seed is None else evaluation.seed
