"""The conditions of an evaluation: best heads by score, controls, all heads or none, steered or blinded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gazecli.heads.headset import Head, HeadSet

# One draw means nothing: ten draws of one model spanned 0.007 to 0.663 (arXiv 2609.14174).
CONTROLS = 5
_DRAWS = 50

ConditionName = Literal["gaze", "control", "all", "unsteered", "asked", "blind", "blind_control"]


@dataclass(frozen=True)
class Condition:
    """Heads to steer, or to blind; none is the model as it is. `seed` draws a control's heads."""

    name: ConditionName
    heads: list[Head]
    seed: int | None = None

    @property
    def blinds(self) -> bool:
        """Whether the heads are blinded instead of steered."""
        return self.name in ("asked", "blind", "blind_control")


def conditions_for(headset: HeadSet, top: int, score: str, blinding: bool = False) -> list[Condition]:
    """Gaze heads, five different controls, all heads, none.

    With `blinding` there follow nothing blinded, and the same gaze heads and controls blinded. There are
    fewer controls where the layers of the top have no more heads to draw from. UsageError for an impossible
    `top` or `score`.
    """
    layers, heads = headset.matrices.shape[:2]
    everything = [Head(layer, head) for layer in range(layers) for head in range(heads)]
    best, controls = headset.top(top, score), controls_for(headset, top, score)
    steered = [Condition("gaze", best), *controls, Condition("all", everything), Condition("unsteered", [])]
    if not blinding:
        return steered
    blind_controls = [Condition("blind_control", control.heads, control.seed) for control in controls]
    return [*steered, Condition("asked", []), Condition("blind", best), *blind_controls]


def controls_for(headset: HeadSet, top: int, score: str) -> list[Condition]:
    """Up to five different draws of `top` heads outside the top, each with the first seed that drew it."""
    if not has_controls(headset, top):
        return []
    drawn: dict[tuple[Head, ...], int] = {}
    for seed in range(_DRAWS):
        drawn.setdefault(tuple(headset.controls(top, seed, score)), seed)
        if len(drawn) == CONTROLS:
            break
    return [Condition("control", list(heads), seed) for heads, seed in drawn.items()]


def has_controls(headset: HeadSet, top: int) -> bool:
    """Whether at least `top` heads lie outside the best `top`."""
    layers, heads = headset.matrices.shape[:2]
    return bool(2 * top <= layers * heads)
