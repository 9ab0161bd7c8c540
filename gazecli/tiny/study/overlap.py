"""Are the heads of three panels those of six, those of a grid, and those of other wordings?

Each variant is one thing changed from six panels in a row and the released question. A user measures the
same on a checkpoint with `gaze discover` and `gaze report A --against B`.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gazecli.cache.store import Cache
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.heads.questions import DISCOVERY_PROMPT
from gazecli.heads.shared_heads import shared_heads
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.tiny.comics import make_comics
from gazecli.tiny.training.evaluate import draw_pages

STRIPS = 40
BEST = 6  # of 32 heads: of the suggested number, chance alone shares nearly all


@dataclass(frozen=True)
class Variant:
    """One way to ask for the heads of a model; strips in a row, or pages of rows of three panels."""

    name: str
    panels: int = 6
    seed: int = 830_001
    grid: bool = False
    prompt: str = DISCOVERY_PROMPT


VARIANTS = (
    Variant("six panels in a row, the released question"),
    Variant("other strips", seed=840_001),
    Variant("three panels", panels=3),
    Variant("four panels", panels=4),
    Variant("six panels in two rows", grid=True),
    Variant("six panels, `What happens in panel {number}?`", prompt="What happens in panel {number}?"),
    Variant(
        "six panels, `Describe the {ordinal_word} panel.`",
        prompt="Describe the {ordinal_word} panel.",
    ),
    Variant(
        "six panels, a wording that training never used",
        prompt="Could you say what the {ordinal_word} panel is about?",
    ),
)


def measure_overlap(model: str, to: Path) -> None:
    """Write, as JSON lines, how many of the best heads each variant shares with the first one."""
    vlm = load(model, device="cpu", dtype="float32")
    with tempfile.TemporaryDirectory() as scratch:
        found = [_head_set(vlm, each, Path(scratch) / str(n)) for n, each in enumerate(VARIANTS)]
    lines = []
    for variant, headset in zip(VARIANTS, found, strict=True):
        shared = shared_heads(found[0], headset, BEST)
        record = {
            "model": vlm.name,
            "digest": vlm.digest,
            "variant": variant.name,
            "k": shared.k,
            "shared": len(shared.shared),
            "expected": round(shared.expected, 2),
            "p": float(f"{shared.p:.2g}"),
            "correlation": None if shared.correlation is None else round(shared.correlation, 3),
            "best": round(float(headset.scores("raw").max()), 3),
        }
        lines.append(json.dumps(record) + "\n")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("".join(lines), encoding="utf-8")


def _head_set(vlm: VLM, variant: Variant, folder: Path) -> HeadSet:
    make_comics(folder / "comics", STRIPS, variant.seed, variant.panels)
    comics = folder / "comics"
    if variant.grid:
        comics = folder / "pages"
        draw_pages(folder / "comics", comics)
    return discover(vlm, comics, panels=variant.panels, prompt=variant.prompt, cache=Cache(folder / "cache"))


def overlap_table(path: Path) -> str:
    """Markdown, a row a variant; empty when it was not measured."""
    if not path.is_file():
        return ""
    rows = [
        "| found with | best raw score | of the best heads, shared with the first | by chance | p "
        "| rank correlation |",
        "|---|---|---|---|---|---|",
    ]
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        rows.append(
            "| {variant} | {best} | {shared} of {k} | {expected} | {p} | {correlation} |".format(**record)
        )
    return "\n".join(rows)
