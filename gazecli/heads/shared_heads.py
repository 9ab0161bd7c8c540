"""Heads that two head sets share in their top K, beside what layer-matched chance gives.

Chance draws, in every layer, as many of its H heads at random as the second head set has there: the number
shared in a layer is hypergeometric, and the layers' numbers add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from gazecli.errors import HeadSetError
from gazecli.heads.headset import Head, HeadSet
from gazecli.heads.scores import Float64, Floats


@dataclass(frozen=True)
class SharedHeads:
    """What the top `k` of two head sets have in common.

    shared: the heads, in the first one's order. expected: how many layer-matched chance shares, p: how
    often it shares at least as many. expected_anywhere: with heads drawn from all layers. correlation:
    Spearman's of the two scores over the `compared` heads that both know; None where it is not defined.
    """

    k: int
    shared: list[Head]
    expected: float
    p: float
    expected_anywhere: float
    correlation: float | None
    compared: int


def shared_heads(one: HeadSet, other: HeadSet, k: int | str = "auto") -> SharedHeads:
    """Compare the best `k` heads of two head sets, each by its own suggested score.

    `auto` is the number that `one` suggests, or as many as `other` lists if these are fewer.

    Raises HeadSetError for head sets of different shape, UsageError for an impossible `k`.
    """
    shape = one.image_mass.shape
    if shape != other.image_mass.shape:
        layers, heads = other.image_mass.shape
        raise HeadSetError(
            f"head sets of {shape[0]} x {shape[1]} and {layers} x {heads} heads cannot be compared",
            subject=other.digest,
            hint="compare models of equal shape, such as a model and its ancestor",
            code="headset.shape",
        )
    count = one.resolve_top(k)
    if k == "auto":
        count = min(count, int(np.isfinite(other.scores(other.resolve_score())).sum()))
    first, second = one.top(count), other.top(count)
    shared = [head for head in first if head in second]
    chance = chance_of_shared(first, second, shape[1])
    both = [each.scores(each.resolve_score()).reshape(-1).astype(np.float64) for each in (one, other)]
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    return SharedHeads(
        count,
        shared,
        expected=float(np.arange(len(chance)) @ chance),
        p=min(1.0, float(chance[len(shared) :].sum())),
        expected_anywhere=count * count / one.image_mass.size,
        correlation=rank_correlation(both[0][known], both[1][known]),
        compared=int(known.sum()),
    )


def chance_of_shared(first: Sequence[Head], second: Sequence[Head], heads: int) -> Float64:
    """The probability of sharing 0, 1, … heads under layer-matched chance, with `heads` heads a layer."""
    total = np.ones(1)
    mine, theirs = (Counter(head.layer for head in chosen) for chosen in (first, second))
    for layer in sorted(mine.keys() & theirs.keys()):
        a, b = mine[layer], theirs[layer]
        ways = [comb(a, n) * comb(heads - a, b - n) / comb(heads, b) for n in range(min(a, b) + 1)]
        total = np.convolve(total, ways)
    return total


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's rank correlation, equal values at their mean rank; None for constants or under three."""
    from scipy import stats  # slow to import, and most reports compare nothing

    if len(one) < 3 or not (np.ptp(one) and np.ptp(other)):
        return None
    return float(stats.spearmanr(one, other).statistic)
