"""The paper's protocol: every setting of the released evaluation, by one word (arXiv 2606.14703, section 4).

Its controls are drawn from the heads with the lowest scores. They stand beside those from the layers of the
top, which are harder to beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gazecli.evaluation.conditions import CONTROLS
from gazecli.models.attention.modes import HARD, Scope
from gazecli.models.catalogue import published_top

ProtocolName = Literal["paper"]


@dataclass(frozen=True)
class Protocol:
    """What an evaluation does where it is told nothing else.

    top: None is the head set's suggestion. forced: whether a judge that is asked must choose a region.
    """

    name: ProtocolName
    top: int | None
    score: Literal["raw"]
    strength: float
    scope: Scope
    max_new_tokens: int
    every: int
    low_controls: int
    forced: bool = True

    @property
    def words(self) -> str:
        """What it sets, in one line."""
        top = "the suggested number of heads" if self.top is None else f"top {self.top}"
        return (
            f"{top} by {self.score}, strength {self.strength:g}, scope {self.scope}, "
            f"{self.max_new_tokens} new tokens (dynamic: {self.every} a target), "
            f"{self.low_controls} controls of lowest score, forced choice for an endpoint judge"
        )


def paper_protocol(task: str, model_id: str, controls: int | None = None) -> Protocol:
    """The paper's settings for a task; K where it published one for the model with this id on the Hub."""
    return Protocol(
        "paper",
        published_top(model_id),
        "raw",
        HARD,
        # A narration is steered while it is written, and its prompt is not.
        "decode" if task == "dynamic" else "full",
        15 if task == "vqa" else 100,
        50,
        CONTROLS if controls is None else controls,
    )
