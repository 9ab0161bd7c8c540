"""`gaze report --evaluate`: the options become a plan, a judge and examples, and the run itself.

Knows nothing of how a report looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.command import writes
from gazecli.cli.evaluate_options import Wanted, is_coco
from gazecli.cli.files import save_text
from gazecli.cli.inputs import ChosenHeads, choose_heads, load_model
from gazecli.cli.options import HeadOptions, TaskName, number_or_auto
from gazecli.cli.output import Output
from gazecli.cli.progress import progress
from gazecli.errors import AnnotationsError, UsageError

if TYPE_CHECKING:
    from gazecli.evaluation.evaluate import Evaluation, Plan
    from gazecli.evaluation.examples import Example, Examples
    from gazecli.evaluation.judges.judge import Judge
    from gazecli.heads.headset import HeadSet
    from gazecli.models.vlm import VLM
    from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationPart
    from gazecli.reports.generations import Kept
    from gazecli.reports.page.scenes import Scene


# A caption-like answer needs no more; a model that never ends would cost many times as much.
_LONGEST_ANSWER = 64


@dataclass(frozen=True)
class Evaluated:
    """The head set to report (a sweep changes its suggestion), and the report's blocks."""

    headset: HeadSet
    part: EvaluationPart
    comparison: ComparisonPart | None
    scenes: list[Scene]


def run_evaluation(
    output: Output, aim: ChosenHeads, evaluate: Path, wanted: Wanted, with_scenes: bool = False
) -> Evaluated:
    """Evaluate, and with `with_scenes` watch a few pictures too."""
    from gazecli.evaluation.conditions import CONTROLS
    from gazecli.evaluation.evaluate import evaluate as run
    from gazecli.evaluation.sweep import halves
    from gazecli.reports.evaluation import comparison_part, evaluation_part

    plan = plan_of(wanted, aim, is_coco(evaluate))
    judge = judge_without_model(wanted, aim)
    examples = open_examples(output, evaluate, wanted, aim.headset, wanted.judge in (None, "lexical"))
    if plan.sweep:
        halves(len(examples.usable), plan.seed)  # too few to split is found out before a model is loaded
    vlm = load_model(output, aim, wanted.loading)
    if wanted.judge == "likelihood":
        judge = likelihood_judge(vlm, plan.task, plan.settings.prompt)
    with progress(output, "evaluating", "pictures") as step:
        done = run(vlm, aim.headset, examples, plan, judge, aim.cache, step)
    draws = sum(each.condition.name == "control" for each in done.runs)
    if draws < CONTROLS:
        output.note(f"{draws} of {CONTROLS} controls: the layers of the top have no other heads to draw")
    if done.choice is not None and writes():
        from gazecli.heads.headset_store import note_headset

        note_headset(aim.cache, done.headset, aim.model)
        output.note(f"the choice is kept as head set {done.headset.digest}")
    part = evaluation_part(vlm, done, aim.headset.digest, judge)
    if wanted.generations is not None and writes():
        part = _keep_generations(output, wanted.generations, done, part)
    compared = comparison_part(done) if plan.compare else None
    return Evaluated(
        done.headset, part, compared, _scenes(output, vlm, done) if with_scenes and writes() else []
    )


def _scenes(output: Output, vlm: VLM, evaluation: Evaluation) -> list[Scene]:
    from gazecli.evaluation.page_samples import page_samples
    from gazecli.reports.page.scenes import scenes_of

    with progress(output, "watching", "pictures") as step:
        return scenes_of(page_samples(vlm, evaluation, step))


def plan_of(wanted: Wanted, aim: ChosenHeads, natural: bool) -> Plan:
    """What to run; UsageError for settings that make no sense."""
    from gazecli.evaluation.coco import PROMPT
    from gazecli.evaluation.evaluate import PROMPTS, Plan
    from gazecli.heads.request import DISCOVERY_PROMPT
    from gazecli.steering.steer import SteerSettings

    task: TaskName = wanted.task or "static"
    every = _every(wanted.every) if task == "dynamic" else None
    prompt = PROMPT if natural else PROMPTS[task]
    settings = SteerSettings(
        prompt if wanted.prompt is None else wanted.prompt,
        wanted.strength or "10",
        wanted.mode or "boost-suppress",
        wanted.scope or ("answer" if task == "dynamic" else "full"),
        wanted.max_new_tokens if wanted.max_new_tokens is not None else every or _LONGEST_ANSWER,
    )
    settings.check()
    # A narration asks nothing about a place, and the things of a natural picture have none to be asked by.
    # An imported ranking does not say how its heads were asked.
    asked = aim.headset.header["settings"].get("prompt") or DISCOVERY_PROMPT
    question = None if natural or task == "dynamic" else asked
    return Plan(
        task,
        settings,
        len(aim.heads),
        aim.score,
        42 if wanted.seed is None else wanted.seed,
        every,
        wanted.sweep,
        question,
        wanted.compare,
        wanted.min_area,
    )


def judge_without_model(wanted: Wanted, aim: ChosenHeads) -> Judge | None:
    """The judge, as far as it needs no model: None for `none`, and for `likelihood` until there is one."""
    if wanted.judge == "endpoint":
        from gazecli.evaluation.judges.endpoint import Address, EndpointJudge

        return EndpointJudge(Address.of_environment(), aim.cache)
    from gazecli.evaluation.judges.lexical import LexicalJudge

    return LexicalJudge() if wanted.judge in (None, "lexical") else None


def likelihood_judge(vlm: VLM, task: str, prompt: str) -> Judge:
    """The model itself, asked the same question; of a narration, what happens in a panel."""
    from gazecli.evaluation.judges.likelihood import LikelihoodJudge
    from gazecli.steering.steer import STATIC_PROMPT

    return LikelihoodJudge(vlm, STATIC_PROMPT if task == "dynamic" else prompt)


def open_examples(
    output: Output, evaluate: Path, wanted: Wanted, headset: HeadSet, need_captions: bool
) -> Examples:
    """The pictures to evaluate on; what had to be left out is noted."""
    from gazecli.evaluation.coco import coco_examples
    from gazecli.evaluation.examples import examples_of
    from gazecli.pictures.comics.comics import open_comics

    seed = 42 if wanted.seed is None else wanted.seed
    if is_coco(evaluate) and wanted.annotations is not None and wanted.images is not None:
        found = coco_examples(wanted.annotations, wanted.images, wanted.min_area or 0.0, wanted.samples, seed)
    else:
        settings = headset.header["settings"]
        comics = open_comics(
            evaluate,
            panels=headset.panels,
            height=int(settings["height"]),
            gap=int(settings["gap"]),
            samples=wanted.samples,
            seed=seed,
            layout=wanted.layout,
        )
        found = examples_of(comics, need_captions)
    for skip in found.skipped:
        output.note(f"skipped {skip.path}: {skip.reason}")
    return found


def _every(given: str | None) -> int | None:
    """Tokens a segment, 50 when left out; None for `sentence`."""
    if given == "sentence":
        return None
    try:
        return 50 if given is None else number_or_auto(given, "--every") or 50
    except UsageError:
        raise UsageError(
            "--every is `sentence` or a number of tokens", subject=given, hint="for example: --every 50"
        ) from None


def _keep_generations(output: Output, path: Path, done: Evaluation, part: EvaluationPart) -> EvaluationPart:
    from gazecli.reports.generations import generations_part, generations_text

    text = generations_text(done, part)
    save_text(text, path)
    output.note(f"every text is kept in {path}")
    return part.model_copy(update={"generations": generations_part(str(path), text)})


def rejudge(
    output: Output, headset: str | None, evaluate: Path | None, kept_in: Path, wanted: Wanted
) -> tuple[HeadSet, EvaluationPart]:
    """The head set the texts were written with, and their evaluation by another judge.

    Raises AnnotationsError for a damaged file, texts of another head set or other pictures, HeadSetError when
    the head set is not here.
    """
    from gazecli.evaluation.metrics import run_metrics
    from gazecli.evaluation.trials import rejudge_runs
    from gazecli.reports.evaluation import rejudged_part
    from gazecli.reports.generations import read_generations

    kept = read_generations(kept_in)
    aim = choose_heads(output, HeadOptions(headset or kept.headset))
    if aim.headset.digest != kept.headset:
        raise AnnotationsError(
            f"these texts were written with head set {kept.headset}",
            subject=str(kept_in),
            hint="leave the head set out",
        )
    examples = kept.examples
    if evaluate is not None:
        found = open_examples(output, evaluate, wanted, aim.headset, False).usable
        examples = _matched(examples, found, kept_in)
    judge = _judge(output, aim, kept, wanted)
    if judge.name == "lexical":
        _require_truths(examples, kept_in)
    runs = rejudge_runs(kept.runs, examples, judge)
    part = kept.part
    panels = None if any(example.sizes for example in examples) else part.comics.panels
    metrics = run_metrics(runs, examples, part.task == "dynamic", panels, part.settings.seed)
    return aim.headset, rejudged_part(part, judge, runs, metrics, examples)


def _judge(output: Output, aim: ChosenHeads, kept: Kept, wanted: Wanted) -> Judge:
    judge = judge_without_model(wanted, aim)
    if judge is None:
        vlm = load_model(output, aim, wanted.loading)
        judge = likelihood_judge(vlm, kept.part.task, kept.part.settings.prompt)
    return judge


def _matched(kept: list[Example], found: list[Example], path: Path) -> list[Example]:
    """The pictures at hand that the texts are about, in the texts' order."""
    # A picture may be listed twice, with other regions.
    known = {(example.name, example.identity): example for example in found}
    matched = []
    for example in kept:
        same = known.get((example.name, example.digest))
        if same is None:
            raise AnnotationsError(
                "these texts are about other pictures than those at hand",
                subject=example.name,
                hint=f"give the pictures that {path.name} was made of",
            )
        matched.append(same)
    return matched


def _require_truths(examples: list[Example], path: Path) -> None:
    for example in examples:
        if example.truths is None:
            raise AnnotationsError(
                "the lexical judge needs captions, and a picture has none",
                subject=example.name,
                hint=f"write its captions and add --evaluate COMICS, or judge {path.name} otherwise",
            )
