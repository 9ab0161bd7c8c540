"""Intervals and rank correlations, against scipy and against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gazecli.evaluation.metrics import bootstrap_interval, spearman


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    hits = np.random.default_rng(3).integers(0, 7, 80)
    ours = bootstrap_interval(hits, [6] * 80, seed=1)
    theirs = stats.bootstrap(
        (hits / 6,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_whole_pictures_are_drawn_not_single_answers() -> None:
    together = bootstrap_interval([6, 0] * 20, [6] * 40, seed=0)
    apart = bootstrap_interval([1, 0] * 120, [1] * 240, seed=0)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_pictures_with_more_answers_weigh_more() -> None:
    low, high = bootstrap_interval([0, 10] * 50, [1, 10] * 50, seed=0)
    assert low < 10 / 11 < high


def test_the_seed_decides() -> None:
    hits = [1, 0, 1, 1, 0, 0, 1]
    assert bootstrap_interval(hits, [1] * 7, seed=5) == bootstrap_interval(hits, [1] * 7, seed=5)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_an_interval_lies_in_the_data_and_around_its_mean(hits: list[int]) -> None:
    low, high = bootstrap_interval(hits, [6] * len(hits), seed=0, resamples=200)
    assert min(hits) / 6 - 1e-9 <= low <= high <= max(hits) / 6 + 1e-9
    if len(set(hits)) == 1:
        assert low == pytest.approx(high)


@pytest.mark.parametrize(("hits", "trials"), [([], []), ([0], [0])])
def test_without_trials_there_is_no_interval(hits: list[int], trials: list[int]) -> None:
    with pytest.raises(ValueError, match="trial"):
        bootstrap_interval(hits, trials, seed=0)


@pytest.mark.parametrize(
    ("one", "other", "rho"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [2, 1, 4, 3], 0.6),  # 1 - 6 * 4 / (4 * 15)
        ([1, 1], [1, 2], None),
        ([4], [4], None),
        ([], [], None),
    ],
)
def test_rank_correlations_that_can_be_computed_by_hand(
    one: list[float], other: list[float], rho: float | None
) -> None:
    assert spearman(one, other) == pytest.approx(rho)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=20))
def test_rank_correlation_is_that_of_the_ranks(pairs: list[tuple[int, int]]) -> None:
    one, other = [first for first, _ in pairs], [second for _, second in pairs]
    found = spearman(one, other)
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(one, other).statistic)
        ranks = np.corrcoef(stats.rankdata(one), stats.rankdata(other))[0, 1]
        assert found == pytest.approx(ranks)


def test_ranks_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="pairs"):
        spearman([1, 2], [1])
