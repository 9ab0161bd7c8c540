"""The judge of natural pictures: the first thing named, by category or synonym."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.evaluation.coco_synonyms import SYNONYMS
from gazecli.evaluation.judges.lexical import NameMatcher

NAMES = ["person", "dog", "hot dog", "tv", "bus"]
JUDGE = NameMatcher(NAMES, [SYNONYMS[name] for name in NAMES])
name = st.sampled_from(sorted(SYNONYMS))


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        ("A dog.", 2),
        ("Two DOGS playing", 2),
        ("a hot dog on a plate", 3),
        ("The woman's television", 1),
        ("a television in front of a woman", 4),
        ("Buses", 5),
        ("hot weather, a dog", 2),
        ("a cat", None),
        ("", None),
    ],
)
def test_the_first_thing_named_is_described(answer: str, region: int | None) -> None:
    assert JUDGE.verdict(answer).region == region


@given(st.lists(name, min_size=2, max_size=6, unique=True), st.data())
def test_a_category_is_its_own_name(names: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(names)))
    judge = NameMatcher(names, [SYNONYMS[each] for each in names])
    assert judge.verdict(f"This is a {names[number - 1]}.").region == number


def test_two_regions_of_one_name_cannot_be_told_apart() -> None:
    assert NameMatcher(["dog", "dog"], [(), ()]).verdict("a dog").region is None


def test_no_synonym_is_another_categorys_name() -> None:
    for category, others in SYNONYMS.items():
        assert not set(others) & SYNONYMS.keys(), category
