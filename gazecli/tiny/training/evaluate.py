"""How good the model in the box is: `python -m gazecli.tiny.training.evaluate --strips 50 --seed 900001`.

Draws fresh strips, asks, discovers, steers and switches through the library, and prints the table of the
README. Knows nothing of training.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gazecli.cache.store import Cache
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.load import load
from gazecli.models.vlm import VLM, HeadPair
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import plan
from gazecli.steering.steer import SteerSettings, steer_regions
from gazecli.steering.switch import DYNAMIC_PROMPT, switch
from gazecli.tiny.comics import make_comics
from gazecli.tiny.questions import UNSEEN_PANEL, fill
from gazecli.tiny.scenes import Split

SHORT_PANEL = "What is happening in the {ordinal} panel from the left? Answer briefly."
VQA_PROMPT = "What is the main action or event happening in this comic strip? Answer briefly."
CONTROL_SEEDS = range(5)
_SENTENCE = re.compile(r"[^.]+\.")


@dataclass(frozen=True)
class Example:
    """A strip with the exact truth of each panel."""

    picture: Picture
    captions: list[str]


def draw_examples(count: int, seed: int, panels: int, split: Split = "all") -> list[Example]:
    """Fresh strips, through the files a user would get."""
    with tempfile.TemporaryDirectory() as folder:
        make_comics(Path(folder) / "comics", count, seed, panels, split)
        comics = open_comics(Path(folder) / "comics", panels=panels)
        return [Example(strip.load(), list(strip.captions or [])) for strip in comics.strips]


def answer_plainly(vlm: VLM, picture: Picture, prompt: str) -> str:
    """The unsteered greedy answer."""
    inputs, layout = vlm.prepare(picture, prompt)
    return vlm.decode(generate(vlm, inputs, layout, None, 1, Limits(40))[0]).strip()


def exact_share(vlm: VLM, examples: Sequence[Example], wordings: Sequence[str]) -> float:
    """Share of panels whose question is answered with the exact caption; wordings in turn."""
    hits = [
        answer_plainly(vlm, example.picture, fill(wordings[k % len(wordings)], k + 1, len(example.captions)))
        == caption
        for example in examples
        for k, caption in enumerate(example.captions)
    ]
    return float(np.mean(hits))


def redirection(
    vlm: VLM,
    examples: Sequence[Example],
    heads: Sequence[HeadPair],
    strength: float | str = 10.0,
    **settings: object,
) -> float:
    """Share of targets whose steered answer is exactly the target's caption."""
    hits: list[bool] = []
    chosen = SteerSettings(strength=strength, max_new_tokens=24, **settings)  # type: ignore[arg-type]
    for example in examples:
        result = steer_regions(
            vlm,
            example.picture,
            example.picture.regions,
            heads,
            chosen,
            with_baseline=False,
            require_effect=False,
        )
        hits += [
            answer.text == caption for answer, caption in zip(result.answers, example.captions, strict=True)
        ]
    return float(np.mean(hits))


def unsteered(vlm: VLM, examples: Sequence[Example], prompt: str) -> tuple[float, float]:
    """The plain answer: share of (picture, target) pairs it fits, and of pictures where it fits any panel."""
    given, any_panel = [], []
    for example in examples:
        said = answer_plainly(vlm, example.picture, prompt)
        fits = [said == caption for caption in example.captions]
        given += fits
        any_panel.append(any(fits))
    return float(np.mean(given)), float(np.mean(any_panel))


def derangement(count: int, rng: random.Random) -> list[int]:
    """A random order of 1..count with no number in its own place."""
    while True:
        order = rng.sample(range(1, count + 1), count)
        if all(number != place for place, number in enumerate(order, 1)):
            return order


@dataclass(frozen=True)
class Following:
    """Shares of sentences: exactly the scheduled panel's caption, and nearest to it of all captions."""

    exact: float
    about: float


def following(
    vlm: VLM,
    examples: Sequence[Example],
    heads: Sequence[HeadPair],
    every: int | None,
    scope: str = "answer",
) -> Following:
    """How the sentences of a switched text fit their targets.

    A sentence in whose middle the target changes belongs to neither and is left out.
    """
    rng = random.Random(11)
    exact: list[bool] = []
    about: list[bool] = []
    settings = SteerSettings(prompt=DYNAMIC_PROMPT, scope=scope)  # type: ignore[arg-type]
    for example in examples:
        order = derangement(len(example.captions), rng)
        targets = [example.picture.region(number) for number in order]
        schedule = plan(targets, on="sentence") if every is None else plan(targets, every=every)
        told = switch(vlm, example.picture, schedule, heads, settings)
        scheduled = [
            segment.region.number for segment in told.segments for _ in range(segment.start, segment.end)
        ]
        start = 0
        text = ""
        for place, piece in enumerate(told.pieces):
            text += piece
            if _SENTENCE.fullmatch(text.strip()):
                if scheduled[start] == scheduled[place]:
                    target = scheduled[start] - 1
                    exact.append(text.strip() == example.captions[target])
                    about.append(nearest(text, example.captions) == target)
                start, text = place + 1, ""
    return Following(float(np.mean(exact)), float(np.mean(about)))


def nearest(sentence: str, captions: Sequence[str]) -> int | None:
    """Which caption shares most words with a sentence; None on a tie."""
    words = set(sentence.split())
    shared = [len(words & set(caption.split())) for caption in captions]
    best = max(shared)
    return shared.index(best) if shared.count(best) == 1 else None


def measure(vlm: VLM, strips: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """Everything the README's table shows."""
    figures: dict[str, object] = {"strips": strips, "seed": seed, "dtype": vlm.dtype}
    by_count = {panels: draw_examples(strips, seed + panels, panels) for panels in (3, 4, 6)}
    for panels, drawn in by_count.items():
        figures[f"exact caption, {panels} panels"] = exact_share(vlm, drawn, [SHORT_PANEL])
        say(f"asked about {panels} panels")
    unseen = draw_examples(strips, seed + 20, 6, "test")
    figures["exact caption, only combinations never seen"] = exact_share(vlm, unseen, [SHORT_PANEL])
    figures["exact caption, unseen wordings"] = exact_share(vlm, by_count[6], UNSEEN_PANEL)
    headset = _discover(vlm, strips, seed)
    heads = headset.top()
    raw = np.sort(headset.scores("raw").ravel())[::-1]
    figures["raw scores, best eight"] = [round(float(score), 3) for score in raw[:8]]
    figures["suggested K"] = len(heads)
    figures["split-half r"] = headset.header["honesty"]["split_half_r"]
    examples = by_count[6]
    for top in sorted({1, 4, 8, len(heads), 16, 24, vlm.layers * vlm.heads}):
        label = "all heads" if top == vlm.layers * vlm.heads else f"top {top}"
        figures[f"static, {label}"] = redirection(vlm, examples, headset.top(top))
        say(f"steered {label}")
    figures["static, suggested top"] = figures[f"static, top {len(heads)}"]
    figures["static, only combinations never seen"] = redirection(vlm, unseen, heads)
    controls = [redirection(vlm, examples, headset.controls(len(heads), seed=s)) for s in CONTROL_SEEDS]
    figures["static, controls"] = controls
    figures["static, controls mean"] = float(np.mean(controls))
    say("steered the controls")
    for panels in (3, 4):
        figures[f"static, suggested top, {panels} panels"] = redirection(vlm, by_count[panels], heads)
    figures["static, hard"] = redirection(vlm, examples, heads, "hard")
    figures["static, scope answer"] = redirection(vlm, examples, heads, scope="answer")
    figures["vqa, suggested top"] = redirection(vlm, examples, heads, prompt=VQA_PROMPT)
    static = SteerSettings().prompt
    figures["unsteered, a given target"], figures["unsteered, any panel"] = unsteered(vlm, examples, static)
    few = examples[: max(1, strips // 3)]
    for label, every, chosen in (
        ("a sentence each", None, examples),
        ("20 tokens each", 20, few),
        ("50 tokens each", 50, few),
    ):
        told = following(vlm, chosen, heads, every)
        figures[f"dynamic, {label}, about the scheduled panel"] = told.about
        figures[f"dynamic, {label}, exact caption"] = told.exact
    return figures


def _discover(vlm: VLM, strips: int, seed: int) -> HeadSet:
    with tempfile.TemporaryDirectory() as folder:
        make_comics(Path(folder) / "comics", strips, seed + 50, panels=6)
        return discover(vlm, Path(folder) / "comics", cache=Cache(Path(folder) / "cache"))


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
    figures = measure(vlm, options.strips, options.seed, lambda message: None)
    print(json.dumps(figures, indent=1) if options.json else as_table(figures))


if __name__ == "__main__":
    main()
