"""The conditions of an evaluation: best heads by score, controls, all heads or none, steered or blinded."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gazecli.heads.headset import Head, HeadSet

# One draw means nothing: ten draws of one model spanned 0.007 to 0.663 (arXiv 2609.14174).
CONTROLS = 5
_TRIES = 10  # draws for each control that is wanted, before there are taken to be no more
LOWEST = 0.05  # of all heads: where the paper's controls come from (arXiv 2606.14703, released code)

ConditionName = Literal[
    "gaze", "control", "low_control", "all", "unsteered", "asked", "blind", "blind_control"
]


class Choice(NamedTuple):
    """Heads, and how strongly they are steered: None is the strength of the settings.

    Without heads it is the model as it is.
    """

    heads: tuple[Head, ...] = ()
    strength: float | None = None


@dataclass(frozen=True)
class Condition:
    """Heads to steer, or to blind; none is the model as it is. `seed` draws a control's heads."""

    name: ConditionName
    heads: list[Head]
    seed: int | None = None

    @property
    def choice(self) -> Choice:
        """What a task is asked for."""
        return Choice(tuple(self.heads))

    @property
    def blinds(self) -> bool:
        """Whether the heads are blinded instead of steered."""
        return self.name in ("asked", "blind", "blind_control")


def conditions_for(
    headset: HeadSet,
    top: int,
    score: str,
    blinding: bool = False,
    controls: int = CONTROLS,
    low_controls: int = 0,
) -> list[Condition]:
    """Gaze heads, different controls, all heads, none.

    `controls` are drawn from the layers of the top, `low_controls` from the heads with the lowest scores.
    With `blinding` there follow nothing blinded, and the same gaze heads and controls blinded. There are
    fewer controls where there are no more heads to draw from. UsageError for an impossible `top` or `score`.
    """
    layers, heads = headset.matrices.shape[:2]
    everything = [Head(layer, head) for layer in range(layers) for head in range(heads)]
    best, drawn = headset.top(top, score), controls_for(headset, top, score, controls)
    low = low_controls_for(headset, top, score, low_controls)
    steered = [
        Condition("gaze", best),
        *drawn,
        *low,
        Condition("all", everything),
        Condition("unsteered", []),
    ]
    if not blinding:
        return steered
    blind_controls = [Condition("blind_control", control.heads, control.seed) for control in drawn]
    return [*steered, Condition("asked", []), Condition("blind", best), *blind_controls]


def controls_for(headset: HeadSet, top: int, score: str, count: int = CONTROLS) -> list[Condition]:
    """Up to `count` different draws of `top` heads outside the top, each with the first seed that drew it."""
    if not has_controls(headset, top):
        return []
    return _different("control", count, lambda seed: headset.controls(top, seed, score))


def low_controls_for(headset: HeadSet, top: int, score: str, count: int) -> list[Condition]:
    """Up to `count` different draws of `top` heads from the lowest 5 % by `score`, or the lowest `top`."""
    if not has_controls(headset, top):
        return []
    layers, heads = headset.matrices.shape[:2]
    # What an imported ranking does not list ranks behind all that it lists.
    scores = np.nan_to_num(headset.scores(headset.resolve_score(score)), nan=-np.inf).ravel()
    pool = max(top, math.ceil(LOWEST * layers * heads))
    lowest = [Head(*divmod(int(place), heads)) for place in scores.argsort(kind="stable")[:pool]]
    return _different(
        "low_control", count, lambda seed: sorted(random.Random(f"low-{seed}").sample(lowest, top))
    )


def _different(name: ConditionName, count: int, draw: Callable[[int], list[Head]]) -> list[Condition]:
    drawn: dict[tuple[Head, ...], int] = {}
    for seed in range(_TRIES * count):
        drawn.setdefault(tuple(draw(seed)), seed)
        if len(drawn) == count:
            break
    return [Condition(name, list(heads), seed) for heads, seed in drawn.items()]


def has_controls(headset: HeadSet, top: int) -> bool:
    """Whether at least `top` heads lie outside the best `top`."""
    layers, heads = headset.matrices.shape[:2]
    return bool(2 * top <= layers * heads)
