"""How often panels are found wrongly on drawn pages, by kind: the table of docs/finding-panels.md."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.pages import DrawnPage, pages
from gazecli.pictures.panels import find_panels

EACH = 20
SEED = 1  # the finder was made on the pages of seeds 0 and 7
LEAST_OVERLAP = 0.8  # intersection over union of a panel found and the panel drawn


def is_right(page: DrawnPage, found: Sequence[Sequence[float]]) -> bool:
    """Whether as many panels were found as were drawn, each of them in its place in the reading order."""
    wanted = page.boxes if len(page.boxes) > 1 else []
    return len(found) == len(wanted) and all(
        overlap(box, drawn) >= LEAST_OVERLAP for box, drawn in zip(found, wanted, strict=True)
    )


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def found_wrongly(each: int, seed: int = SEED) -> dict[str, tuple[int, int]]:
    """Of every kind: how many pages are wrong, and how many there are."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for page in pages(each, seed=seed):
        counts[page.kind].append(is_right(page, find_panels(page.image, spread=page.spread)))
    return {kind: (right.count(False), len(right)) for kind, right in counts.items()}


def main() -> None:
    """Print the table; a number of pages a kind may be given."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else EACH
    began = time.perf_counter()
    counts = found_wrongly(each)
    wrong, drawn = (sum(column) for column in zip(*counts.values(), strict=True))
    sys.stdout.write("| pages | found wrongly |\n|---|---|\n")
    for kind, (bad, of) in counts.items():
        sys.stdout.write(f"| {kind} | {bad} of {of} |\n")
    sys.stdout.write(f"| **all** | **{wrong} of {drawn}, {wrong / drawn:.1%}** |\n")
    sys.stderr.write(f"{time.perf_counter() - began:.0f} s\n")


if __name__ == "__main__":
    main()
