"""What `evaluate.sh` left in a folder, for docs/controls.md: conditions, sweep, selectors, judges."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gazecli as gaze
from gazecli.evaluation.examples import examples_of
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.judges.likelihood import LikelihoodJudge
from gazecli.pictures.comics.comics import open_comics
from gazecli.reports.generations import read_generations
from gazecli.reports.tables import condition_label
from gazecli.steering.settings import STATIC_PROMPT

TASKS = ("static", "vqa", "dynamic")
DRAWS = {"gaze": 1, "control": 5, "all": 1, "unsteered": 1, "asked": 1, "blind": 1, "blind_control": 5}


def main(folder: Path) -> None:
    """Print every table."""
    reports = {task: json.loads((folder / f"{task}.json").read_text(encoding="utf-8")) for task in TASKS}
    evaluations = {task: reports[task]["evaluation"] for task in TASKS}
    table(
        ["condition", *TASKS],
        [
            [condition_label(name, draws=draws), *shares_of(evaluations, name)]
            for name, draws in DRAWS.items()
        ],
    )
    dynamic = evaluations["dynamic"]["conditions"][0]
    looks, text = dynamic["latency"]["looks"], dynamic["latency"]["text"]
    print(
        f"Dynamic: Spearman's ρ is {dynamic['schedule_rho']:.2f} with the schedule and "
        f"{dynamic['natural_rho']:.2f} with the reading order. After a change of the target, the heads look "
        f"at the new one from token {looks['median']:g} on ({looks['reached']} of {looks['switches']} "
        f"changes), and the text is about it after {text['median']:g} tokens ({text['reached']} of "
        f"{text['switches']}).\n"
    )
    static = evaluations["static"]
    sweep = static["sweep"]
    table(
        ["K", *(str(k) for k in sorted({rung["k"] for rung in sweep}))],
        [
            [f"{name}, {score}", *(share(rung[name]) for rung in sweep if rung["score"] == score)]
            for score in dict.fromkeys(rung["score"] for rung in sweep)
            for name in ("gaze", "control")
        ],
    )
    compared = reports["static"]["comparison"]
    names = [one["score"] for one in compared["selectors"]]
    table(
        [f"selector, top {compared['k']}", "accuracy", *(f"shared with {name}" for name in names)],
        [
            [one["score"], interval(one["accuracy"], one["ci95"]), *map(str, shared)]
            for one, shared in zip(compared["selectors"], compared["overlap"], strict=True)
        ],
    )
    table(
        ["judge", "own captions", "steered answers that are a caption", "captions of another strip"],
        judges(folder),
    )


def shares_of(evaluations: dict[str, dict], name: str) -> list[str]:
    """One condition's accuracy for each task: with its interval, or as a range over draws."""
    cells = []
    for task in TASKS:
        found = [each for each in evaluations[task]["conditions"] if each["name"] == name]
        if not found:
            cells.append("–")
        elif len(found) == 1:
            cells.append(interval(found[0]["accuracy"], found[0]["ci95"]))
        else:
            every = sorted(each["accuracy"] for each in found)
            cells.append(f"{every[0]:.3f} to {every[-1]:.3f}")
    return cells


def judges(folder: Path) -> list[list[str]]:
    """How often each judge is right where captions leave no doubt, and abstains on foreign captions."""
    vlm = gaze.load("tiny", device="cpu", dtype="float32")
    examples = examples_of(open_comics(folder / "judged", panels=6)).usable
    kept = read_generations(folder / "static.jsonl")
    steered = {
        example.name: [trial.text for trial in trials]
        for example, trials in zip(kept.examples, kept.runs[0].pictures, strict=True)
    }
    rows = []
    for judge in (LexicalJudge(), LikelihoodJudge(vlm, STATIC_PROMPT)):
        own, said, foreign = [], [], []
        for example, other in zip(examples, [*examples[1:], examples[0]], strict=True):
            truths = list(example.truths or ())
            own += [v.region == k for k, v in enumerate(judge.verdicts(example, truths), 1)]
            exact = [text for text in steered.get(example.name, []) if truths.count(text) == 1]
            verdicts = judge.verdicts(example, exact)
            said += [v.region == truths.index(text) + 1 for v, text in zip(verdicts, exact, strict=True)]
            strange = [text for text in other.truths or () if text not in truths]
            foreign += [v.region is None for v in judge.verdicts(example, strange)]
        told = f"{judge.name}{'' if judge.independent else ' (the model itself)'}"
        rows.append([told, counted(own), counted(said), f"{counted(foreign)} abstained"])
    return rows


def counted(right: list[bool]) -> str:
    """A share with its number of answers."""
    return f"{sum(right) / len(right):.3f} of {len(right)}" if right else "–"


def share(value: float | None) -> str:
    """Three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def interval(value: float, ends: list[float]) -> str:
    """A share with its interval of 95 %."""
    return f"{value:.3f} ({ends[0]:.2f} to {ends[1]:.2f})"


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Markdown on standard output."""
    print(f"| {' | '.join(columns)} |")
    print(f"|{'|'.join('---' for _ in columns)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
