"""How good the model in the box is: `python -m gazecli.tiny.training.evaluate --strips 50 --seed 900001`.

Runs the evaluation's tasks on fresh strips and prints the table of docs/the-small-model.md. An answer counts
only when it is the exact caption, whatever the model answers unsteered.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from gazecli.cache.store import Cache
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.evaluate import PROMPTS
from gazecli.evaluation.examples import Example, examples_of
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask, derangement
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Task
from gazecli.heads.discover import discover
from gazecli.heads.headset import Head, HeadSet
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.jobs import Job, steer_many
from gazecli.steering.settings import SteerSettings
from gazecli.tiny.comics import make_comics
from gazecli.tiny.panel import PANEL_SIZE
from gazecli.tiny.scenes import Split
from gazecli.tiny.training.questions import UNSEEN_PANEL, fill

SHORT_PANEL = "What is happening in the {ordinal} panel from the left? Answer briefly."
CONTROL_SEEDS = range(5)
STATIC = SteerSettings(PROMPTS["static"], max_new_tokens=24)
# Boxes that are no panels, with the panels of six that lie in them by half or more.
PARTS: dict[str, dict[int | str, tuple[int, ...]]] = {
    "a half of the strip": {"left": (1, 2, 3), "right": (4, 5, 6)},
    "a quarter of the strip": {
        "0%,0%,25%,100%": (1, 2),
        "25%,0%,50%,100%": (2, 3),
        "50%,0%,75%,100%": (4, 5),
        "75%,0%,100%,100%": (5, 6),
    },
}
GUTTER = 8
_ORDER_SEED = 11
_SENTENCE = re.compile(r"[^.]+\.")


def draw_examples(folder: Path, count: int, seed: int, panels: int, split: Split = "all") -> list[Example]:
    """Fresh strips in a new folder, with the exact caption of each panel."""
    make_comics(folder, count, seed, panels, split)
    return examples_of(open_comics(folder, panels=panels)).usable


def discover_heads(vlm: VLM, folder: Path, strips: int, seed: int) -> HeadSet:
    """The head set of fresh strips in a new folder."""
    make_comics(folder / "comics", strips, seed, panels=6)
    return discover(vlm, folder / "comics", cache=Cache(folder / "cache"))


def exact_answers(task: Task, heads: Sequence[Head] = ()) -> list[list[bool]]:
    """For each picture and target: whether the answer is exactly the target's caption."""
    answers = dict(task.responses(range(len(task.examples)), [Choice(tuple(heads))]))
    return [
        [response.text == (example.truths or ())[response.target - 1] for response in answers[n][0]]
        for n, example in enumerate(task.examples)
    ]


def exact_share(task: Task, heads: Sequence[Head] = ()) -> float:
    """Share of targets whose answer is exactly the target's caption."""
    return float(np.mean(exact_answers(task, heads)))


def panel_task(vlm: VLM, examples: Sequence[Example], wordings: Sequence[str]) -> Task:
    """A question about each panel by its place; wordings in turn."""
    panels = examples[0].regions
    prompts = [fill(wordings[k % len(wordings)], k + 1, panels) for k in range(panels)]
    return BlindingTask(vlm, examples, prompts, 40)


def narrated_sentences(
    vlm: VLM, examples: Sequence[Example], heads: Sequence[Head], every: int | None
) -> tuple[float, float]:
    """Shares of sentences that are exactly the scheduled panel's caption, and nearest to it of all captions.

    A sentence in whose middle the target changes belongs to neither and is left out.
    """
    settings = SteerSettings(PROMPTS["dynamic"], scope="answer")
    task = NarrationTask(vlm, examples, settings, every, _ORDER_SEED)
    # One generator for all strips, as in the table of docs/the-small-model.md.
    rng = random.Random(_ORDER_SEED)
    task.orders = [derangement(example.regions, rng) for example in examples]
    exact: list[bool] = []
    about: list[bool] = []
    narrated = dict(task.responses(range(len(examples)), [Choice(tuple(heads))]))
    for number, example in enumerate(examples):
        captions = example.truths or ()
        text, targets = "", set()
        for response in narrated[number][0]:
            for piece in response.pieces:
                text += piece
                targets.add(response.target)
                if _SENTENCE.fullmatch(text.strip()):
                    if len(targets) == 1:
                        exact.append(text.strip() == captions[response.target - 1])
                        about.append(nearest(text, captions) == response.target)
                    text, targets = "", set()
    return float(np.mean(exact)), float(np.mean(about))


def nearest(sentence: str, captions: Sequence[str]) -> int | None:
    """The number of the caption that shares most words with a sentence; None on a tie."""
    words = set(sentence.split())
    shared = [len(words & set(caption.split())) for caption in captions]
    best = max(shared)
    return shared.index(best) + 1 if shared.count(best) == 1 else None


def measure(vlm: VLM, folder: Path, strips: int, seed: int) -> dict[str, object]:
    """Everything the table of docs/the-small-model.md shows; strips are drawn into `folder`."""
    figures: dict[str, object] = {"strips": strips, "seed": seed, "dtype": vlm.dtype}
    by_count = {
        panels: draw_examples(folder / f"{panels} panels", strips, seed + panels, panels)
        for panels in (3, 4, 5, 6)
    }
    for panels, drawn in by_count.items():
        figures[f"exact caption, {panels} panels"] = exact_share(panel_task(vlm, drawn, [SHORT_PANEL]))
    unseen = draw_examples(folder / "unseen", strips, seed + 20, 6, "test")
    figures["exact caption, only combinations never seen"] = exact_share(
        panel_task(vlm, unseen, [SHORT_PANEL])
    )
    figures["exact caption, unseen wordings"] = exact_share(panel_task(vlm, by_count[6], UNSEEN_PANEL))
    headset = discover_heads(vlm, folder / "discovery", strips, seed + 50)
    heads = headset.top()
    raw = np.sort(headset.scores("raw").ravel())[::-1]
    figures["raw scores, best eight"] = [round(float(score), 3) for score in raw[:8]]
    figures["suggested K"] = len(heads)
    figures["split-half r"] = headset.header["honesty"]["split_half_r"]
    examples = by_count[6]
    task = RedirectionTask(vlm, examples, STATIC)
    for top in sorted({1, 4, 8, len(heads), 16, 24, vlm.layers * vlm.heads}):
        label = "all heads" if top == vlm.layers * vlm.heads else f"top {top}"
        figures[f"static, {label}"] = exact_share(task, headset.top(top))
    figures["static, suggested top"] = figures[f"static, top {len(heads)}"]
    figures["static, only combinations never seen"] = exact_share(RedirectionTask(vlm, unseen, STATIC), heads)
    controls = [exact_share(task, headset.controls(len(heads), seed=s)) for s in CONTROL_SEEDS]
    figures["static, controls"] = controls
    figures["static, controls mean"] = float(np.mean(controls))
    for panels in (3, 4, 5):
        fewer = RedirectionTask(vlm, by_count[panels], STATIC)
        figures[f"static, suggested top, {panels} panels"] = exact_share(fewer, heads)
    for label, settings in (
        ("static, hard", replace(STATIC, strength="hard")),
        ("static, scope answer", replace(STATIC, scope="answer")),
        ("vqa, suggested top", replace(STATIC, prompt=PROMPTS["vqa"])),
    ):
        figures[label] = exact_share(RedirectionTask(vlm, examples, settings), heads)
    draw_pages(folder / "6 panels", folder / "pages")
    captions = [example.truths or () for example in examples]
    figures["static, a page of 2 x 3 panels"] = exact_by_region(
        vlm,
        headset,
        [Job(picture=page, all_regions=True, panels="2x3") for page in sorted((folder / "pages").iterdir())],
        [[[caption] for caption in strip] for strip in captions],
    )
    for label, parts in PARTS.items():
        figures[f"static, {label}: a panel of at least half in it"] = exact_by_region(
            vlm,
            headset,
            [Job(picture=example.load(), region=list(parts)) for example in examples],
            [[[strip[panel - 1] for panel in inside] for inside in parts.values()] for strip in captions],
        )
    unsteered = exact_answers(task)
    figures["unsteered, a given target"] = float(np.mean(unsteered))
    figures["unsteered, any panel"] = float(np.mean([any(hits) for hits in unsteered]))
    few = examples[: max(1, strips // 3)]
    for label, every, chosen in (
        ("a sentence each", None, examples),
        ("20 tokens each", 20, few),
        ("50 tokens each", 50, few),
    ):
        exact, about = narrated_sentences(vlm, chosen, heads, every)
        figures[f"dynamic, {label}, about the scheduled panel"] = about
        figures[f"dynamic, {label}, exact caption"] = exact
    return figures


def exact_by_region(
    vlm: VLM, headset: HeadSet, jobs: Sequence[Job], wanted: Sequence[Sequence[Sequence[str]]]
) -> float:
    """Share of regions whose steered answer is one of the captions wanted: by job, then by region."""
    hits = []
    for result, captions in zip(steer_many(vlm, headset, jobs), wanted, strict=True):
        if result.error is not None:
            raise result.error
        assert result.steering is not None
        pairs = zip(result.steering.answers, captions, strict=True)
        hits += [answer.text in known for answer, known in pairs]
    return float(np.mean(hits))


def draw_pages(comics: Path, pages: Path, columns: int = 3) -> None:
    """Lay the panels of each strip out in rows, white between and around them: one page a strip."""
    pages.mkdir(parents=True)
    for strip in sorted(path for path in comics.iterdir() if path.is_dir()):
        panels = sorted(strip.glob("p*.png"))
        size = PANEL_SIZE + GUTTER
        rows = -(-len(panels) // columns)
        page = Image.new("RGB", (columns * size + GUTTER, rows * size + GUTTER), "white")
        for number, path in enumerate(panels):
            row, column = divmod(number, columns)
            with Image.open(path) as panel:
                page.paste(panel, (GUTTER + column * size, GUTTER + row * size))
        page.save(pages / f"{strip.name}.png")


def as_table(figures: dict[str, object]) -> str:
    """Markdown, a row a figure."""

    def shown(value: object) -> str:
        if isinstance(value, float):
            return f"{value:.3f}"
        if isinstance(value, list):
            return ", ".join(shown(each) for each in value)
        return str(value)

    lines = ["| | figure |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {shown(value)} |" for name, value in figures.items()])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the model in the box on held-out strips.")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--strips", type=int, default=50)
    parser.add_argument("--seed", type=int, default=900_001)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    vlm = load(options.model, device=options.device, dtype=options.dtype)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(vlm, Path(folder), options.strips, options.seed)
    print(json.dumps(figures, indent=1) if options.json else as_table(figures))


if __name__ == "__main__":
    main()
