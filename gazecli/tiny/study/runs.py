"""The logs of the study, read back: a run is one arm with one seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gazecli.errors import UsageError
from gazecli.tiny.study.arms import ARMS, Arm

Head = tuple[int, int]
# A gaze head is born when its raw gaze score passes this: half of its attention, of all tokens, lies on the
# panel that is asked about. An even look over four panels gives at most a quarter.
BORN = 0.5
# Small models have few heads: so many of them are a set.
FEWEST = 3
# A quarter of the answers are about the right one of four panels by chance.
LEARNED = 0.5
_LAST = 4  # measurements that an end value is the mean of


@dataclass(frozen=True)
class Run:
    """What was measured of one model as it trained.

    measured: one record a measurement, the first before any step. floats below are shares unless said.
    """

    arm: Arm
    seed: int
    measured: Sequence[dict[str, Any]]

    @property
    def steps(self) -> list[int]:
        """The step of each measurement."""
        return [int(record["step"]) for record in self.measured]

    def curve(self, of: Callable[[dict[str, Any]], float]) -> list[float]:
        """One value a measurement."""
        return [of(record) for record in self.measured]

    def end(self, of: Callable[[dict[str, Any]], float]) -> float:
        """The mean of the last measurements."""
        return float(np.mean(self.curve(of)[-_LAST:]))

    def scores(self, score: str = "raw") -> npt.NDArray[np.float64]:
        """Scores of every head at every measurement: (M, L, H)."""
        return np.array([record[score] for record in self.measured])

    @property
    def birth(self) -> int | None:
        """The first step at which FEWEST heads are born; None if never."""
        born = (self.scores() > BORN).sum((1, 2))  # (M,)
        return self._first(born >= FEWEST)

    def births_by_layer(self) -> list[int | None]:
        """For each layer the first step at which one of its heads is born."""
        born = np.asarray((self.scores() > BORN).any(2))  # (M, L)
        return [self._first(born[:, layer]) for layer in range(born.shape[1])]

    @property
    def learned(self) -> int | None:
        """The first step at which half of the questions about a panel get an answer about it."""
        return self._first(np.array(self.curve(told)) >= LEARNED)

    def heads_at(self, step: int) -> set[Head]:
        """The heads that are born at a measured step."""
        born = np.argwhere(self.scores()[self.steps.index(step)] > BORN)
        return {(int(layer), int(head)) for layer, head in born}

    def _first(self, true: npt.NDArray[np.bool_]) -> int | None:
        return self.steps[int(true.argmax())] if true.any() else None


def exact(record: dict[str, Any]) -> float:
    """Questions about a panel by its place that get exactly its caption."""
    return float(record["asked"]["nobody"]["exact"])


def told(record: dict[str, Any]) -> float:
    """Questions about a panel by its place whose answer is nearest to its caption."""
    return float(record["asked"]["nobody"]["about"])


def blinded(record: dict[str, Any]) -> float:
    """The same while the suggested heads cannot see the picture."""
    return float(record["asked"]["gaze"]["about"])


def blinded_controls(record: dict[str, Any]) -> float:
    """The same while as many random heads outside the suggested ones cannot; mean of the draws."""
    return float(record["asked"]["controls"]["about"])


def redirected(record: dict[str, Any]) -> float:
    """Answers nearest to the caption of the panel that the suggested heads are steered to."""
    return float(record["static"]["gaze"]["about"])


def redirected_by_controls(record: dict[str, Any]) -> float:
    """The same with as many random heads outside the suggested ones; mean of the draws."""
    return float(record["static"]["controls"]["about"])


def redirected_by_all(record: dict[str, Any]) -> float:
    """The same with all heads."""
    return float(record["static"]["all"]["about"])


def read_runs(folder: Path) -> list[Run]:
    """All finished runs below `folder`, arms in their order, then seeds.

    Raises UsageError when there is none.
    """
    runs = []
    for arm in ARMS:
        for path in sorted(folder.glob(f"seed-*/{arm.name}.jsonl")):
            records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if records and records[-1].get("finished"):
                measured = [record for record in records if "raw" in record]
                runs.append(Run(arm, int(path.parent.name.removeprefix("seed-")), measured))
    if not runs:
        raise UsageError(
            "there is no finished run of the study here",
            subject=str(folder),
            hint="make one with `python -m gazecli.tiny.study run`",
        )
    return runs
