"""Scores follow their formulas, and the suggestion says when there is nothing to suggest."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gazecli.errors import UsageError
from gazecli.heads.headset import Head, HeadSet
from gazecli.heads.scores import diagonal_mean, ranking, row_normalised, shuffled_scores, split_half, suggest
from gazecli.heads.sums import Sums

masses = arrays.arrays(np.float64, (2, 3, 4, 4), elements=st.floats(0, 1))


@given(masses)
def test_the_raw_score_is_the_mean_of_the_diagonal(matrices: np.ndarray) -> None:
    by_hand = sum(matrices[..., k, k] for k in range(4)) / 4
    np.testing.assert_allclose(diagonal_mean(matrices), by_hand, atol=1e-12)


@given(masses)
def test_normalised_rows_sum_to_one_even_where_nothing_was_looked_at(matrices: np.ndarray) -> None:
    np.testing.assert_allclose(row_normalised(matrices).sum(-1), 1.0, atol=1e-9)


def test_selectivity_ignores_how_much_a_head_looks() -> None:
    strong = np.eye(4) * 0.8 + 0.01
    assert diagonal_mean(row_normalised(strong)) == pytest.approx(
        diagonal_mean(row_normalised(strong / 1000))
    )


@given(masses, st.integers(0, 1000))
def test_shuffled_scores_keep_the_mean_of_the_whole_matrix(matrices: np.ndarray, seed: int) -> None:
    null = shuffled_scores(matrices, seed, 0, shuffles=400)
    spread = matrices.std(axis=(-2, -1)).max()
    assert np.abs(null.mean(0) - matrices.mean((-2, -1))).max() <= 0.2 * spread + 1e-9


@given(arrays.arrays(np.float64, (3, 5), elements=st.floats(0, 1)))
def test_a_ranking_holds_every_head_once_best_first(scores: np.ndarray) -> None:
    order = ranking(scores)
    assert sorted(order) == [(layer, head) for layer in range(3) for head in range(5)]
    values = [scores[pair] for pair in order]
    assert values == sorted(values, reverse=True)


def test_the_suggestion_stops_at_the_elbow() -> None:
    raw = np.full((10, 20), 0.05)
    raw[4, :7] = [0.9, 0.88, 0.86, 0.85, 0.84, 0.82, 0.8]
    suggestion = suggest(raw, 0.2)
    assert (suggestion.score, suggestion.top) == ("raw", 7)


def test_the_suggestion_never_exceeds_twelve_per_cent_of_all_heads() -> None:
    raw = np.linspace(1, 0, 400).reshape(10, 40) ** 0.3
    assert suggest(raw, 0.1).top <= 48


def test_without_gaze_heads_the_suggestion_says_so() -> None:
    suggestion = suggest(np.full((4, 8), 0.1), 0.2)
    assert suggestion.top == 1
    assert "no head" in suggestion.why


def test_split_halves_that_agree_correlate() -> None:
    half = np.random.default_rng(0).random((4, 8, 3, 3))
    agreement = split_half(np.stack([half, half * 0.99]), 5)
    assert agreement is not None
    assert agreement.overlap == 5
    assert agreement.correlation == pytest.approx(1.0)


def test_one_strip_alone_has_no_split_halves() -> None:
    assert split_half(np.stack([np.ones((1, 2, 3, 3)), np.zeros((1, 2, 3, 3))]), 1) is None


def headset_of(raw: np.ndarray) -> HeadSet:
    layers, heads = raw.shape
    matrices = np.zeros((layers, heads, 3, 3), dtype=np.float32)
    matrices[..., range(3), range(3)] = raw[..., None]
    header = {"model": {"digest": "d", "name": "m"}, "suggested": {"score": "raw", "top": 4}}
    empty = np.zeros((layers, heads), dtype=np.float32)
    return HeadSet(header, matrices, matrices, empty, np.stack([matrices] * 2), empty[None])


def test_controls_mirror_the_layers_of_the_top_and_leave_it_out() -> None:
    raw = np.zeros((6, 8))
    raw[2, :3] = 0.9
    raw[4, 0] = 0.8
    headset = headset_of(raw)
    top = headset.top(4)
    for seed in range(20):
        controls = headset.controls(4, seed=seed)
        assert not set(controls) & set(top)
        assert [head.layer for head in controls] == [2, 2, 2, 4]


def test_controls_go_to_other_layers_when_their_own_run_out() -> None:
    raw = np.zeros((3, 4))
    raw[1, :3] = 0.9
    controls = headset_of(raw).controls(3, seed=1)
    assert len(set(controls)) == 3
    assert Head(1, 3) in controls


def test_controls_of_more_heads_than_are_left_are_refused() -> None:
    with pytest.raises(UsageError, match="outside"):
        headset_of(np.ones((2, 4))).controls(5)


@given(st.integers(1, 4), st.randoms(use_true_random=False))
def test_sums_are_the_same_digits_in_any_order_and_however_divided(parts: int, chance: Random) -> None:
    strips = np.random.default_rng(1).random((7, 2, 3, 4, 8)) ** 4
    whole = Sums.empty(2, 3, 4)
    for number, strip in enumerate(strips):
        whole.add(number, strip, seed=3)
    shares = [Sums.empty(2, 3, 4) for _ in range(parts)]
    for number in chance.sample(range(len(strips)), len(strips)):
        chance.choice(shares).add(number, strips[number], seed=3)
    together = Sums.empty(2, 3, 4)
    for share in chance.sample(shares, parts):
        assert together.join(Sums.restore(*share.state()))
    assert together.walked == whole.walked
    assert together.counts == whole.counts
    for name, tensor in whole.means().items():
        assert tensor.tobytes() == together.means()[name].tobytes()


def test_sums_equal_plain_ones_far_below_float32() -> None:
    strips = np.random.default_rng(2).random((9, 2, 3, 4, 8))
    sums = Sums.empty(2, 3, 4)
    for number, strip in enumerate(strips):
        sums.add(number, strip, seed=0)
    np.testing.assert_allclose(sums.raw.sum(0), strips[..., :-4].sum(0), rtol=0, atol=1e-11)


def test_a_strip_is_never_added_twice() -> None:
    strip = np.random.default_rng(3).random((2, 3, 4, 8))
    first, second = Sums.empty(2, 3, 4), Sums.empty(2, 3, 4)
    first.add(0, strip, seed=0)
    first.skip(1, "torn")
    second.skip(1, "torn")
    before = first.raw.copy()
    assert not first.join(second)
    assert first.counts == [1, 0]
    assert first.skipped == {1: "torn"}
    np.testing.assert_array_equal(first.raw, before)
