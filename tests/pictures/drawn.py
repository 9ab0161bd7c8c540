"""Pictures drawn for tests: plain and noisy panels, grids with gutters, comic folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]


def noisy(width: int, height: int, seed: int = 0) -> Image.Image:
    """Art-like pixels: smooth blotches between dark and light."""
    rng = np.random.default_rng(seed)
    small = rng.integers(20, 200, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def strip_of(widths: Sequence[int], height: int, gap: int, colour: Colour = (255, 255, 255)) -> Image.Image:
    """Panels side by side which reach the picture's edge, `gap` pixels of gutter between them."""
    strip = Image.new("RGB", (sum(widths) + gap * (len(widths) - 1), height), colour)
    left = 0
    for number, width in enumerate(widths):
        strip.paste(noisy(width, height, number), (left, 0))
        left += width + gap
    return strip


def write_comic(folder: Path, panels: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> Path:
    """A comic of the `panels` layout."""
    folder.mkdir(parents=True)
    for number in range(1, panels + 1):
        noisy(*size, seed * 100 + number).save(folder / f"p{number}.png")
    return folder
