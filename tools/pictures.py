"""Draw the pictures of the docs that show what `tiny` does: `python -m tools.pictures docs`.

Needs Chromium.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.fixtures.browser import browser

STRIP = "examples/strip.png"
WIDTH = 1000
WORD = " rabbit"


def gaze(*arguments: str, cache: Path) -> None:
    """Run `gaze` with a cache of its own."""
    environment = {**os.environ, "GAZE_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "gazecli", *arguments, "--quiet"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own


def draw(folder: Path, scratch: Path) -> None:
    """Find the heads that the first pages of the docs use, and draw each picture into `folder`."""
    cache, comics = scratch / "cache", str(scratch / "comics")
    heatmap, staircase, page = (scratch / name for name in ("heatmap.png", "staircase.png", "page.html"))
    gaze("comics", "make", comics, "--count", "20", "--seed", "1", cache=cache)
    gaze("discover", "tiny", comics, cache=cache)
    regions = [part for number in "135" for part in ("--region", number)]
    gaze("steer", STRIP, *regions, "--heatmap", str(heatmap), cache=cache)
    gaze("steer", STRIP, "--all-regions", "--page", str(page), cache=cache)
    gaze("track", STRIP, "--trajectory", str(staircase), cache=cache)
    with Image.open(heatmap) as drawn:
        height = round(drawn.height * WIDTH / drawn.width)
        small = drawn.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    save_small(small, folder / "heatmap.png")
    with Image.open(staircase) as drawn:
        drawn.convert("RGB").save(folder / "staircase.png", optimize=True)
    with browser(scratch / "chromium") as tab:
        tab.open(page, WIDTH, 509)
        find = f"[...document.querySelectorAll('.token')].find(each => each.textContent === '{WORD}')"
        tab.value(f"{find}.id = 'pointed'")
        tab.point("#pointed")
        tab.screenshot(folder / "page.png")
    photograph_live(folder / "live.png", scratch)


def photograph_live(to: Path, scratch: Path) -> None:
    """The live page as its own test leaves it, in light colours on a large screen."""
    test = ["tests/serving/test_page.py", "-m", "slow", "-k", "small_and_large_screens"]
    environment = {**os.environ, "GAZE_SCREENSHOTS": str(scratch), "GAZE_BROWSER_TESTS": "required"}
    command = [sys.executable, "-m", "pytest", "-q", *test]
    subprocess.run(command, check=True, env=environment)  # noqa: S603 - our own
    with Image.open(scratch / "live-1600-light.png") as seen:
        save_small(seen.convert("RGB"), to)


def save_small(image: Image.Image, to: Path) -> None:
    """As PNG of 256 colours, chosen so that none is far from its own."""
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    few.save(to, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        draw(Path(sys.argv[1]), Path(scratch))
