"""Attention of the heads on each region while a text is written, as data and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gazecli.reports.csv_table import harmless_cell

if TYPE_CHECKING:
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking

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

    def rows(self) -> list[dict[str, object]]:
        """A line a token: its number, the target, its text, the share of attention on each region."""
        tables = {"region": self.steps}
        if self.controls is not None:
            tables["control_region"] = self.controls
        rows: list[dict[str, object]] = []
        for token, piece in enumerate(self.pieces):
            target = next((region for start, end, region in self.targets if start <= token < end), None)
            shares = {
                f"{name}_{number}": round(float(share), 5)
                for name, table in tables.items()
                for number, share in zip(self.numbers, table[token], strict=True)
            }
            rows.append({"token": token, "target": target, "text": piece, **shares})
        return rows


def trajectory_of_narration(narration: Narration) -> Trajectory:
    """The heads' attention while the target was switched."""
    return Trajectory(
        steps=narration.trajectory,
        numbers=[region.number for region in narration.regions],
        targets=[(each.start, each.end, each.region.number) for each in narration.segments],
        pieces=narration.pieces,
    )


def trajectory_of_tracking(tracking: Tracking) -> Trajectory:
    """The heads' attention while the model wrote freely, beside the mean of the control draws."""
    steps = tracking.trajectories()
    return Trajectory(
        steps=steps[0],
        numbers=[region.number for region in tracking.regions],
        targets=[],
        pieces=tracking.pieces,
        controls=steps[1:].mean(0) if len(steps) > 1 else None,
        breaks=[start for start, _ in tracking.sentences()[1:]],
    )


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
