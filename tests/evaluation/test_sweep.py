"""What a sweep tries, how it splits, and which K wins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.errors import UsageError
from gazecli.evaluation.sweep import SweepPoint, gentlest, halves, head_counts
from gazecli.heads.headset import HeadSet


def headset_of(layers: int, heads: int, top: int) -> HeadSet:
    square = np.zeros((layers, heads, 2, 2), np.float32)
    header = {"suggested": {"score": "raw", "top": top, "why": "-"}}
    flat = square[..., 0, 0]
    return HeadSet(header, square, square, flat, np.stack([square, square]), flat[None])


def test_up_to_a_quarter_of_the_heads_is_tried_and_what_was_suggested() -> None:
    assert head_counts(headset_of(4, 8, 4)) == [1, 2, 3, 4, 5, 7, 8]
    assert head_counts(headset_of(1, 2, 1)) == [1]
    assert head_counts(headset_of(36, 32, 100))[-2:] == [200, 288]


def test_of_equals_the_fewest_heads_are_chosen() -> None:
    points = [
        SweepPoint(1, 0.2, None),
        SweepPoint(5, 0.8, 0.1),
        SweepPoint(10, 0.8, 0.2),
        SweepPoint(20, 0.5, None),
    ]
    assert gentlest(points).k == 5


def test_within_one_standard_error_of_the_best_the_weakest_strength_is_chosen() -> None:
    steps = [(0.5, 0.2), (2.0, 0.7), (5.0, 0.76), (10.0, 0.8), (100.0, 0.79)]
    points = [SweepPoint(5, gaze, 0.1, strength=strength, error=0.05) for strength, gaze in steps]
    assert gentlest(points).strength == 5.0


def test_a_score_that_steers_worse_is_not_chosen_for_fewer_heads() -> None:
    points = [
        SweepPoint(1, 0.78, None, score="raw"),
        SweepPoint(9, 0.8, None, score="selectivity", error=0.05),
    ]
    assert gentlest(points).score == "selectivity"


@given(st.integers(2, 200), st.integers(0, 2**31))
def test_no_picture_both_chooses_and_tests(pictures: int, seed: int) -> None:
    choosing, held_out = halves(pictures, seed)
    assert sorted(choosing + held_out) == list(range(pictures))
    assert 0 <= len(held_out) - len(choosing) <= 1
    assert halves(pictures, seed) == (choosing, held_out)


@pytest.mark.parametrize("pictures", [0, 1])
def test_one_picture_cannot_be_split(pictures: int) -> None:
    with pytest.raises(UsageError):
        halves(pictures, 0)
