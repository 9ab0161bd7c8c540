"""Schedules: when a target begins, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazecli.errors import BadInput, RegionError, ScheduleError
from gazecli.steering.schedule import ends_sentence, parse_targets, plan
from tests.conftest import noise_picture

PICTURE = noise_picture(300, 50, 6)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_a_list_of_panels_is_read_in_its_order(numbers: list[int]) -> None:
    targets = parse_targets(",".join(map(str, numbers)), PICTURE)
    assert [target.number for target in targets] == numbers


@given(st.integers(1, 200), st.integers(1, 9))
def test_every_so_many_tokens_a_target_begins(every: int, count: int) -> None:
    schedule = plan(parse_targets([1] * count, PICTURE), every=every)
    assert schedule.starts == [every * number for number in range(count)]
    assert schedule.most_tokens == every * count


@given(st.sets(st.integers(1, 500), min_size=1, max_size=8))
def test_rising_tokens_from_zero_are_taken_as_given(later: set[int]) -> None:
    starts = [0, *sorted(later)]
    schedule = plan(parse_targets([1] * len(starts), PICTURE), at=",".join(map(str, starts)))
    assert schedule.starts == starts
    assert schedule.least_tokens == starts[-1] + 1


@pytest.mark.parametrize("at", ["1,5", "0,5,5", "0,9,3", "0,x", "", "0", "-1,4", "0,nan"])
def test_malformed_tokens_are_refused(at: str) -> None:
    with pytest.raises(ScheduleError):
        plan(parse_targets([1, 2] if at.count(",") < 2 else [1, 2, 3], PICTURE), at=at)


@pytest.mark.parametrize("spec", ["", " , ", ";"])
def test_an_empty_schedule_is_refused(spec: str) -> None:
    with pytest.raises(ScheduleError, match="empty"):
        parse_targets(spec, PICTURE)


@pytest.mark.parametrize("spec", ["7", "0", "1,-2", "1,two"])
def test_a_region_that_is_not_there_is_refused(spec: str) -> None:
    with pytest.raises(RegionError):
        parse_targets(spec, PICTURE)


def test_timings_exclude_each_other() -> None:
    targets = parse_targets("1,2", PICTURE)
    with pytest.raises(ScheduleError, match="exclude"):
        plan(targets, every=5, on="sentence")


def test_boxes_are_separated_by_semicolons() -> None:
    targets = parse_targets("0,0,50,50;10%,0%,60%,100%;3", PICTURE)
    assert [target.box for target in targets][:2] == [(0, 0, 50, 50), (30, 0, 180, 50)]


@pytest.mark.parametrize(
    ("text", "ended"),
    [("A cat.", True), ("A cat", False), ('He said "no."', True), ("What? ", True), ("", False)],
)
def test_sentences_end_at_their_marks(text: str, ended: bool) -> None:
    assert ends_sentence(text) is ended


def test_regions_that_are_no_panels_are_numbered_behind_them() -> None:
    targets = parse_targets("0,0,50,50;2;left;0,0,50,50", PICTURE)
    assert [target.number for target in targets] == [7, 2, 8, 7]


@settings(max_examples=200)
@given(st.text("0123456789,;%.@- nlefts", max_size=24), st.text("0123456789, -", max_size=12) | st.none())
def test_any_schedule_is_a_plan_or_one_clear_refusal(spec: str, at: str | None) -> None:
    picture = noise_picture(60, 20, 3)
    refused = None
    try:
        planned = plan(parse_targets(spec, picture), at=at)
    except BadInput as refusal:
        refused = refusal
    if refused is not None:
        assert refused.hint
    else:
        assert len(planned.targets) == len(planned.starts or [])
        assert planned.starts == sorted(set(planned.starts or []))


def test_a_hole_in_a_schedule_is_not_passed_over() -> None:
    with pytest.raises(ScheduleError, match="empty place"):
        parse_targets("1,,2", noise_picture(60, 20, 3))


def test_a_text_too_short_for_its_schedule_is_refused() -> None:
    targets = parse_targets("1,2", noise_picture(60, 20, 3))
    plan(targets, every=5).check_length(6)
    with pytest.raises(ScheduleError, match="before the last target begins"):
        plan(targets, every=5).check_length(5)
    with pytest.raises(ScheduleError, match="more than 100000"):
        plan(targets * 1001, every=100)


def test_a_single_box_or_circle_ends_with_a_semicolon() -> None:
    for spec in ("10,5,100,50;", "circle:100,25,20;"):
        [target] = parse_targets(spec, PICTURE)
        assert target.number == 7
    assert [target.number for target in parse_targets("2;circle:100,25,20;2", PICTURE)] == [2, 7, 2]
