"""The commands that do again what a report shows; settings that are the defaults are left out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from gazecli.heads.questions import DISCOVERY_PROMPT
from gazecli.pictures.comics.comics import WHOLE_LAYOUTS
from gazecli.pictures.compose import GAP, HEIGHT
from gazecli.reports.documents.evaluation import EvaluationPart
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.methods import short
from gazecli.steering.settings import DYNAMIC_PROMPT, NATURAL_PROMPT, STATIC_PROMPT, VQA_PROMPT

_PANELS, _SEED, _CONTROLS, _STRENGTH, _LONGEST = 6, 42, 5, 10.0, 64
_MODE = "boost-suppress"
_SCOPES = {"dynamic": "answer"}
_PROMPTS = {"static": STATIC_PROMPT, "vqa": VQA_PROMPT, "dynamic": DYNAMIC_PROMPT}


def repeat_commands(document: ReportDocument) -> list[str]:
    """For a shell, in order: discovery, each evaluation, the report. COMICS is what a digest names.

    The device and the type of numbers are always named: by default they depend on the machine.
    """
    commands = []
    if document.kind == "pictures":
        commands.append(_discovery(document))
    commands += [_evaluation(document, each) for each in document.evaluations]
    return [*commands, f"gaze report {shlex.quote(short(document.headset))} -o report.html"]


def _discovery(document: ReportDocument) -> str:
    settings, model = document.settings.model_dump(), document.model
    whole = settings.get("layout") in WHOLE_LAYOUTS
    given = {
        "--revision": (model.revision, None),
        "--samples": (settings["samples"], None),
        "--panels": (document.comics.panels, _PANELS),
        "--height": (None if whole else settings.get("height"), HEIGHT),
        "--gap": (None if whole else settings.get("gap"), GAP),
        "--seed": (settings["seed"], _SEED),
        "--prompt": (settings["prompt"] or None, DISCOVERY_PROMPT),
        "--layout": (settings.get("layout"), None),
        "--rtl": (settings.get("rtl", False), False),
        "--spread": (settings.get("spread", False), False),
        "--no-squash": (not settings.get("squash", True), False),
        "--image-tokens": (settings.get("image_tokens"), None),
        "--dtype": (model.dtype, None),
    }
    return _line(["gaze", "discover", model.name, "COMICS", *_options(given)], document.comics.digest)


def _evaluation(document: ReportDocument, part: EvaluationPart) -> str:
    settings, swept = part.settings, part.choice or part.score_choice
    natural = settings.min_area is not None
    words = ["gaze", "evaluate", short(document.headset if swept is None else swept.swept)]
    words += ["coco", "--annotations", "FILE", "--images", "DIR"] if natural else ["COMICS"]
    if part.task != "static":
        words += ["--task", part.task]
    words += ["--samples", str(part.comics.strips)]
    sweeps_strength = part.choice is not None and any(step.strength is not None for step in part.sweep)
    if part.choice is not None:
        words += ["--sweep", "strength" if sweeps_strength else "heads"]
    if swept is None:
        words += ["--top", str(settings.top), "--score", settings.score]
    # What was chosen on another head set may have been steered at the strength that one suggests.
    suggested = document.suggested.strength or _STRENGTH
    usual = None if swept is not None and document.suggested.strength else f"{suggested:g}"
    given = {
        "--protocol": (settings.protocol, None),
        "--judge": (part.judge, "lexical"),
        "--controls": (settings.controls, None if settings.protocol else _CONTROLS),
        "--strength": (None if sweeps_strength else f"{settings.strength:g}", usual),
        "--mode": (settings.mode, _MODE),
        "--scope": (settings.scope, _SCOPES.get(part.task, "full")),
        "--seed": (settings.seed, _SEED),
        "--max-new-tokens": (None if part.task == "dynamic" else settings.max_new_tokens, _LONGEST),
        "--min-area": (f"{settings.min_area:g}" if settings.min_area else None, None),
        "--image-tokens": (settings.image_tokens, None),
        "--prompt": (settings.prompt, NATURAL_PROMPT if natural else _PROMPTS[part.task]),
        "--layout": (settings.layout, None),
        "--rtl": (settings.rtl, False),
        "--spread": (settings.spread, False),
        "--no-squash": (not settings.squash, False),
        "--device": (settings.device, None),
        "--dtype": (settings.dtype, None),
    }
    if part.task == "dynamic":
        given["--every"] = ("sentence" if settings.every is None else settings.every, 50)
    return _line([*words, *_options(given)], part.comics.digest)


def _options(given: Mapping[str, tuple[object, object]]) -> list[str]:
    """Those options whose value, which comes first, is known and not the default; True is a flag."""
    words: list[str] = []
    for option, (value, default) in given.items():
        if value is not None and value != default:
            words += [option] if value is True else [option, str(value)]
    return words


def _line(words: list[str], comics: str) -> str:
    return f"{shlex.join(words)}  # COMICS: {short(comics)}"
