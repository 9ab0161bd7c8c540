"""A judge decides which region an answer describes, and gives a verdict on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gazecli.evaluation.examples import Example


@dataclass(frozen=True)
class Verdict:
    """`region` is the number of the caption an answer fits, from 1, or None; `scores` has one a caption."""

    region: int | None
    scores: tuple[float, ...]


class Judge(Protocol):
    """Decides which region an answer describes.

    name: its name in reports. independent: whether it is another than the model under test.
    """

    name: str
    independent: bool

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """One verdict an answer about one picture, in their order."""
