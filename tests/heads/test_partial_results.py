"""Partial results of several processes become one, and no strip counts twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazecli.cache import Cache
from gazecli.cache.artifact import Artifact
from gazecli.cache.partial_results import PartialResults
from gazecli.distributed.group import ALONE
from gazecli.heads.sums import Sums
from gazecli.heads.walk import resume, save, total

SHAPE = (2, 3, 4)
MASSES = np.random.default_rng(0).random((9, 2, 3, 4, 5))


def sums_of(*numbers: int) -> Sums:
    sums = Sums.empty(*SHAPE)
    for number in numbers:
        sums.add(number, MASSES[number], seed=1)
    return sums


@pytest.fixture
def partial(tmp_path: Path) -> PartialResults:
    return Cache(tmp_path).partial_results({"asked": 1})


def assert_same(one: Sums, other: Sums) -> None:
    assert one.walked == other.walked
    assert one.counts == other.counts
    for name, tensor in one.means().items():
        assert tensor.tobytes() == other.means()[name].tobytes()


def test_the_parts_of_all_processes_become_the_first_ones(partial: PartialResults) -> None:
    for number, strips in enumerate([(0, 3, 6), (1, 4), (2,)]):
        save(partial.part(number), sums_of(*strips))
    expected = sums_of(0, 1, 2, 3, 4, 6)
    assert_same(resume(partial, Sums.empty(*SHAPE)), expected)
    assert len(partial.parts()) == 1
    assert_same(resume(partial, Sums.empty(*SHAPE)), expected)


def test_a_part_of_another_process_alone_is_not_lost(partial: PartialResults) -> None:
    save(partial.part(1), sums_of(1, 3))
    assert_same(resume(partial, Sums.empty(*SHAPE)), sums_of(1, 3))
    assert_same(resume(partial, Sums.empty(*SHAPE)), sums_of(1, 3))


def test_a_strip_in_two_parts_counts_once(partial: PartialResults) -> None:
    # So it is when a run was killed between resuming and clearing away.
    save(partial, sums_of(0, 1, 2, 3))
    save(partial.part(1), sums_of(1, 3))
    save(partial.part(2), sums_of(7))
    assert_same(resume(partial, Sums.empty(*SHAPE)), sums_of(0, 1, 2, 3, 7))


def test_what_is_not_of_this_walk_is_left_out(partial: PartialResults) -> None:
    save(partial, Sums.empty(2, 3, 5))
    partial.part(1).save(Artifact("discovery", {"walked": "all"}, {}))
    partial.part(2).save(Artifact("something-else", {}, {}))
    save(partial.part(3), sums_of(5))
    assert_same(resume(partial, Sums.empty(*SHAPE)), sums_of(5))


def test_nothing_saved_is_nothing_done(partial: PartialResults) -> None:
    assert resume(partial, Sums.empty(*SHAPE)).done == 0
    assert partial.load() is None


def test_one_process_has_the_total() -> None:
    mine = sums_of(2, 4)
    assert total(ALONE, mine) is mine
