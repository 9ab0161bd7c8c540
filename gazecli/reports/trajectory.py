"""Attention of the heads on each region while a text is written, as data and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gazecli.reports.csv_table import harmless_cell

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trajectory:
    """steps: (tokens, regions) share of the attention of the gaze heads, and of other heads in `controls`.

    numbers: of the regions. targets: (start, end, region number) of each scheduled segment. pieces: what each
    token adds to the text. breaks: tokens at which a sentence begins.
    """

    steps: Floats
    numbers: Sequence[int]
    targets: Sequence[tuple[int, int, int]]
    pieces: Sequence[str]
    controls: Floats | None = None
    breaks: Sequence[int] = ()


def trajectory_csv(trajectory: Trajectory) -> str:
    """A line a token: its number, the target, its text, the share of attention on each region."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ["token", "target", "text", *(f"region_{number}" for number in trajectory.numbers)]
    tables = [trajectory.steps]
    if trajectory.controls is not None:
        columns += [f"control_region_{number}" for number in trajectory.numbers]
        tables.append(trajectory.controls)
    writer.writerow(columns)
    for token, piece in enumerate(trajectory.pieces):
        target = next((region for start, end, region in trajectory.targets if start <= token < end), "")
        shares = [f"{float(share):.5f}" for table in tables for share in table[token]]
        writer.writerow([token, target, harmless_cell(piece), *shares])
    return out.getvalue()
