"""The commands that do again what a report shows; settings that are the defaults are left out."""

from __future__ import annotations

import shlex

from gazecli.reports.documents.evaluation import EvaluationPart
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.methods import short
from gazecli.steering.settings import DYNAMIC_PROMPT, STATIC_PROMPT

_SEED, _CONTROLS, _STRENGTH, _LONGEST = 42, 5, 10.0, 64
_MODE = "boost-suppress"
_SCOPES = {"dynamic": "answer"}
_PROMPTS = {"static": STATIC_PROMPT, "dynamic": DYNAMIC_PROMPT}


def repeat_commands(document: ReportDocument) -> list[str]:
    """For a shell, in order: discovery, each evaluation, the report. COMICS is what a digest names."""
    commands = []
    if document.kind == "pictures":
        commands.append(_discovery(document))
    commands += [_evaluation(document.headset, each) for each in document.evaluations]
    return [*commands, f"gaze report {shlex.quote(short(document.headset))} -o report.html"]


def _discovery(document: ReportDocument) -> str:
    settings = document.settings
    words = ["gaze", "discover", document.model.name, "COMICS"]
    if settings.samples is not None:
        words += ["--samples", str(settings.samples)]
    if settings.seed != _SEED:
        words += ["--seed", str(settings.seed)]
    if settings.image_tokens is not None:
        words += ["--image-tokens", str(settings.image_tokens)]
    return _line(words, document.comics.digest)


def _evaluation(headset: str, part: EvaluationPart) -> str:
    settings, swept = part.settings, part.choice or part.score_choice
    natural = settings.min_area is not None
    words = ["gaze", "evaluate", short(headset if swept is None else swept.swept)]
    words += ["coco", "--annotations", "FILE", "--images", "DIR"] if natural else ["COMICS"]
    if part.task != "static":
        words += ["--task", part.task]
    words += ["--samples", str(part.comics.strips)]
    if part.choice is not None:
        strengths = any(step.strength is not None for step in part.sweep)
        words += ["--sweep", "strength" if strengths else "heads"]
    if swept is None:
        words += ["--top", str(settings.top), "--score", settings.score]
    given = {
        "--protocol": (settings.protocol, None),
        "--judge": (part.judge, "lexical"),
        "--controls": (settings.controls, None if settings.protocol else _CONTROLS),
        "--strength": (None if "strength" in words else f"{settings.strength:g}", f"{_STRENGTH:g}"),
        "--mode": (settings.mode, _MODE),
        "--scope": (settings.scope, _SCOPES.get(part.task, "full")),
        "--seed": (settings.seed, _SEED),
        "--max-new-tokens": (None if part.task == "dynamic" else settings.max_new_tokens, _LONGEST),
        "--min-area": (f"{settings.min_area:g}" if settings.min_area else None, None),
        "--image-tokens": (settings.image_tokens, None),
        "--prompt": (None if natural else settings.prompt, _PROMPTS.get(part.task)),
    }
    if part.task == "dynamic":
        given["--every"] = ("sentence" if settings.every is None else settings.every, 50)
    for option, (value, default) in given.items():
        if value is not None and value != default:
            words += [option, str(value)]
    return _line(words, part.comics.digest)


def _line(words: list[str], comics: str) -> str:
    return f"{shlex.join(words)}  # COMICS: {short(comics)}"
