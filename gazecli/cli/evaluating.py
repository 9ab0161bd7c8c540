"""`gaze report --evaluate`: what may be asked for, and the run itself.

Knows nothing of how a report looks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gazecli.cli.aiming import Aim, load_for
from gazecli.cli.launched import writes
from gazecli.cli.options import LayoutName, ModeName, ScopeName, TaskName, number_or_auto, refuse_two_devices
from gazecli.cli.progress import progress
from gazecli.cli.streams import Streams
from gazecli.errors import UsageError

if TYPE_CHECKING:
    from gazecli.evaluation.evaluate import Evaluation, Plan
    from gazecli.evaluation.trials import Examples
    from gazecli.heads.headset import HeadSet
    from gazecli.models.vlm import VLM
    from gazecli.reports.documents import EvaluationPart
    from gazecli.reports.page.scenes import Scene

# A caption-like answer needs no more; a model that never ends would cost many times as much.
_LONGEST_ANSWER = 64


@dataclass(frozen=True)
class Wanted:
    """The options of an evaluation as they were given; None is what was left out."""

    task: TaskName | None
    sweep: bool
    every: str | None
    samples: int | None
    seed: int | None
    prompt: str | None
    max_new_tokens: int | None
    layout: LayoutName | None
    strength: str | None
    mode: ModeName | None
    scope: ScopeName | None
    device: str | None
    dtype: str | None
    device_map: str | None
    trust_remote_code: bool
    no_squash: bool


def refuse_without_evaluation(wanted: Wanted, score: str) -> None:
    """UsageError for the first option that was given although nothing is evaluated."""
    given = {**asdict(wanted), "score": None if score == "auto" else score}
    for name, value in given.items():
        if value is not None and value is not False:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} cannot matter without --evaluate", hint="name comics: --evaluate COMICS"
            )


def check_combination(wanted: Wanted, top: str) -> None:
    """UsageError for options that contradict each other."""
    if wanted.seed is not None and wanted.seed >= 2**32:
        raise UsageError(
            "--seed must lie between 0 and 4294967295", subject=str(wanted.seed), hint="leave it out for 42"
        )
    if wanted.sweep and top != "auto":
        raise UsageError("--top cannot matter with --sweep", subject=top, hint="the sweep chooses it")
    if wanted.every is not None and wanted.task != "dynamic":
        raise UsageError(
            "--every cannot matter without --task dynamic",
            subject=wanted.every,
            hint="add --task dynamic, or leave --every out",
        )
    if wanted.max_new_tokens is not None and wanted.task == "dynamic":
        raise UsageError("--max-new-tokens cannot matter with --task dynamic", hint="use --every")
    refuse_two_devices(wanted.device, wanted.device_map)


def run_evaluation(
    streams: Streams, aim: Aim, comics: Path, wanted: Wanted, with_scenes: bool = False
) -> tuple[HeadSet, EvaluationPart, list[Scene]]:
    """Evaluate; the head set to report (a sweep changes its suggestion) and the report's block.

    With `with_scenes`, a few pictures and the looks at them too.
    """
    from gazecli.evaluation.conditions import CONTROLS
    from gazecli.evaluation.evaluate import evaluate
    from gazecli.evaluation.sweep import halves
    from gazecli.reports.evaluations import evaluation_part

    plan = _plan(wanted, aim)
    examples = _examples(streams, comics, wanted, aim.headset)
    if plan.sweep:
        halves(len(examples.usable), plan.seed)  # too few to split is found out before a model is loaded
    vlm = load_for(
        streams,
        aim,
        wanted.device,
        wanted.dtype,
        wanted.device_map,
        wanted.trust_remote_code,
        wanted.no_squash,
    )
    with progress(streams, "evaluating", "pictures") as step:
        done = evaluate(vlm, aim.headset, examples, plan, aim.cache, step)
    draws = sum(tally.name == "control" for tally in done.tallies)
    if draws < CONTROLS:
        streams.note(f"{draws} of {CONTROLS} controls: the layers of the top have no other heads to draw")
    if done.choice is not None and writes():
        from gazecli.heads.shelf import note_headset

        note_headset(aim.cache, done.headset, aim.model)
        streams.note(f"the choice is kept as head set {done.headset.digest}")
    part = evaluation_part(vlm, done, aim.headset.digest)
    return done.headset, part, _scenes(streams, vlm, done) if with_scenes and writes() else []


def _scenes(streams: Streams, vlm: VLM, evaluation: Evaluation) -> list[Scene]:
    from gazecli.evaluation.showing import show
    from gazecli.reports.page.scenes import scenes_of

    with progress(streams, "watching", "pictures") as step:
        return scenes_of(show(vlm, evaluation, step))


def _plan(wanted: Wanted, aim: Aim) -> Plan:
    from gazecli.evaluation.evaluate import PROMPTS, Plan
    from gazecli.steering.steer import SteerSettings

    task: TaskName = wanted.task or "static"
    every = _every(wanted.every) if task == "dynamic" else None
    settings = SteerSettings(
        PROMPTS[task] if wanted.prompt is None else wanted.prompt,
        wanted.strength or "10",
        wanted.mode or "boost-suppress",
        wanted.scope or ("answer" if task == "dynamic" else "full"),
        wanted.max_new_tokens if wanted.max_new_tokens is not None else every or _LONGEST_ANSWER,
    )
    settings.check()
    seed = 42 if wanted.seed is None else wanted.seed
    return Plan(task, settings, len(aim.heads), aim.score, seed, every, wanted.sweep)


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


def _examples(streams: Streams, folder: Path, wanted: Wanted, headset: HeadSet) -> Examples:
    from gazecli.evaluation.trials import examples_of
    from gazecli.pictures.comics import open_comics

    settings = headset.header["settings"]
    comics = open_comics(
        folder,
        panels=headset.panels,
        height=int(settings["height"]),
        gap=int(settings["gap"]),
        samples=wanted.samples,
        seed=42 if wanted.seed is None else wanted.seed,
        layout=wanted.layout,
    )
    found = examples_of(comics)
    for skip in found.skipped:
        streams.note(f"skipped {skip.path}: {skip.reason}")
    return found
