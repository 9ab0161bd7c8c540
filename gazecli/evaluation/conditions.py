"""Which heads are compared: the best by score, random others, all of them, none.

Knows nothing of pictures or answers.
"""

from __future__ import annotations

from gazecli.evaluation.trials import Condition
from gazecli.heads.headset import Head, HeadSet

# One draw means nothing: ten draws of one model spanned 0.007 to 0.663 (arXiv 2609.14174).
CONTROL_SEEDS = range(5)


def conditions_for(headset: HeadSet, top: int, score: str) -> list[Condition]:
    """Gaze heads, a control for each seed, all heads, none.

    Controls are left out where fewer than `top` heads lie outside the top. UsageError for an impossible
    `top` or `score`.
    """
    layers, heads = headset.matrices.shape[:2]
    everything = [Head(layer, head) for layer in range(layers) for head in range(heads)]
    chosen = headset.top(top, score)
    controls = [
        Condition("control", headset.controls(top, seed, score), seed)
        for seed in (CONTROL_SEEDS if has_controls(headset, top) else ())
    ]
    return [Condition("gaze", chosen), *controls, Condition("all", everything), Condition("unsteered", [])]


def has_controls(headset: HeadSet, top: int) -> bool:
    """Whether at least `top` heads lie outside the best `top`."""
    layers, heads = headset.matrices.shape[:2]
    return bool(2 * top <= layers * heads)
