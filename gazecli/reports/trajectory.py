"""Where heads look while a text is written, as a picture (Pillow) or as CSV.

Knows nothing of models; it takes the mass on each region at each token.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from gazecli.reports.spreadsheet import harmless_cell

# Okabe and Ito's colours, told apart by nearly everybody.
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (120, 120, 120),
    (0, 0, 0),
)
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 44, 120, 44
_HEIGHT = 300
_INK = (40, 40, 40)


@dataclass(frozen=True)
class Trajectory:
    """steps: (tokens, regions) share of attention; targets: (start, end, region number) of each segment."""

    steps: npt.NDArray[np.float32]
    numbers: Sequence[int]
    targets: Sequence[tuple[int, int, int]]
    pieces: Sequence[str]


def trajectory_csv(trajectory: Trajectory) -> str:
    """A line a token: its number, the target, its text, the share of attention on each region."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["token", "target", "text", *(f"region_{number}" for number in trajectory.numbers)])
    for token, step in enumerate(trajectory.steps):
        target = next((region for start, end, region in trajectory.targets if start <= token < end), "")
        shares = [f"{float(share):.5f}" for share in step]
        writer.writerow([token, target, harmless_cell(trajectory.pieces[token]), *shares])
    return out.getvalue()


def trajectory_image(trajectory: Trajectory) -> Image.Image:
    """A line for each region over the tokens, the targets as coloured bands above."""
    tokens = max(1, len(trajectory.steps))
    across = min(2400, max(640, tokens * 12))
    image = Image.new("RGB", (_LEFT + across + _RIGHT, _TOP + _HEIGHT + _BOTTOM), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)

    def x(token: float) -> float:
        return _LEFT + across * token / tokens

    def y(share: float) -> float:
        return _TOP + _HEIGHT * (1 - min(max(share, 0.0), 1.0))

    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([(_LEFT, y(tick)), (_LEFT + across, y(tick))], fill=(225, 225, 225))
        pen.text((_LEFT - 42, y(tick) - 8), f"{tick:.2f}", fill=_INK, font=font)
    colours = {number: COLOURS[k % len(COLOURS)] for k, number in enumerate(trajectory.numbers)}
    for start, end, region in trajectory.targets:
        box = (x(start), _TOP - 26, max(x(start) + 1, x(end) - 2), _TOP - 8)
        pen.rectangle(box, fill=colours.get(region, _INK))
        pen.text((x(start) + 4, _TOP - 26), str(region), fill="white", font=font)
    for k, number in enumerate(trajectory.numbers):
        points = [(x(token + 0.5), y(float(step[k]))) for token, step in enumerate(trajectory.steps)]
        if len(points) > 1:
            pen.line(points, fill=colours[number], width=3, joint="curve")
        pen.text((_LEFT + across + 12, _TOP + 22 * k), f"region {number}", fill=colours[number], font=font)
    pen.text((_LEFT, _TOP + _HEIGHT + 8), f"{tokens} written tokens", fill=_INK, font=font)
    return image
