"""The lexical judge: never a wrong caption for a caption's own words, no verdict where evidence is thin.

In natural pictures the first thing named counts, by category or synonym.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gazecli.evaluation.coco_synonyms import SYNONYMS
from gazecli.evaluation.judges.lexical import (
    CaptionMatcher,
    NameMatcher,
    content_words,
)
from gazecli.evaluation.judges.repetition import is_junk
from gazecli.steering.unchanged import is_unchanged, jaccard, words_of

STRIP = [
    "White snail sits on the umbrella at the beach.",
    "Pink cat hides behind the cup in the park.",
    "Orange star sits on the ladder in the city.",
    "Yellow turtle throws the ladder at home.",
    "Purple fish throws the ball at the beach.",
    "Blue robot sits on the cup at night.",
]
word = st.sampled_from(
    "cat dog house tree cake night beach red blue green runs jumps lifts the on of".split()
)
caption = st.lists(word, max_size=8).map(" ".join)
captions = st.lists(caption, min_size=1, max_size=6)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_caption_is_the_answer_about_its_own_panel(number: int) -> None:
    verdict = CaptionMatcher(STRIP).verdict(STRIP[number - 1])
    assert verdict.region == number
    assert verdict.scores[number - 1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        ("A yellow turtle is throwing something.", 4),
        ("I see a cat, it is hiding.", 2),
        ("In this panel, a BLUE robot sat on cups.", 6),
        ("Someone is at the beach.", None),  # two panels are
        ("The purple fish and the blue robot, the white snail and the pink cat.", None),
        ("A horse eats hay.", None),
        ("It is the one on the left.", None),
        ("", None),
    ],
)
def test_answers_in_other_words(answer: str, region: int | None) -> None:
    assert CaptionMatcher(STRIP).verdict(answer).region == region


def test_what_all_panels_share_decides_nothing() -> None:
    matcher = CaptionMatcher(["a cat and a dog", "a cat and a bird"])
    assert matcher.verdict("a cat").region is None
    assert matcher.verdict("a cat and a bird").region == 2


def test_equal_captions_cannot_be_told_apart() -> None:
    assert CaptionMatcher(["a red dog", "a red dog", "a blue cat"]).verdict("a red dog").region is None


def test_a_single_panel_leaves_nothing_to_decide() -> None:
    assert CaptionMatcher(["a red dog"]).verdict("a red dog").region is None


def test_languages_without_spaces_are_judged_too() -> None:
    assert CaptionMatcher(["白い猫が眠る", "赤い犬が走る"]).verdict("犬が走っている").region == 2


@given(captions, st.data())
def test_a_caption_is_never_taken_for_another(texts: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(texts)))
    assert CaptionMatcher(texts).verdict(texts[number - 1]).region in (None, number)


@given(captions, caption, st.randoms())
def test_the_order_of_panels_does_not_matter(texts: list[str], answer: str, rng: object) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    plain = CaptionMatcher(texts).verdict(answer)
    shuffled = CaptionMatcher([texts[place] for place in order]).verdict(answer)
    assert shuffled.scores == pytest.approx([plain.scores[place] for place in order])
    assert plain.region == (order[shuffled.region - 1] + 1 if shuffled.region else None)


@given(captions, caption)
def test_scores_are_shares_and_a_verdict_is_the_best_of_them(texts: list[str], answer: str) -> None:
    verdict = CaptionMatcher(texts).verdict(answer)
    assert all(0 <= score <= 1 + 1e-9 for score in verdict.scores)
    if verdict.region is not None:
        others = [score for place, score in enumerate(verdict.scores, 1) if place != verdict.region]
        assert all(verdict.scores[verdict.region - 1] > other for other in others)


@given(captions, st.text())
def test_any_text_can_be_judged(texts: list[str], answer: str) -> None:
    CaptionMatcher(texts).verdict(answer)
    is_junk(answer)


@pytest.mark.parametrize(
    "text", ["", "  \n", "!!! ...", "the the the the", "red cat red cat red cat red cat " * 3]
)
def test_empty_and_circling_answers_are_junk(text: str) -> None:
    assert is_junk(text)


@pytest.mark.parametrize("text", [*STRIP, "cat", "It is very, very, very good.", " ".join(STRIP)])
def test_plain_answers_are_not_junk(text: str) -> None:
    assert not is_junk(text)


@given(st.text(), st.text())
def test_likeness_has_the_properties_of_a_jaccard_index(one: str, other: str) -> None:
    assert jaccard(one, other) == jaccard(other, one)
    assert 0 <= jaccard(one, other) <= 1
    assert jaccard(one, one) == 1
    assume(set(words_of(one)) != set(words_of(other)))
    assert jaccard(one, other) < 1


def test_answers_of_nearly_the_same_words_are_unchanged() -> None:
    seven = "one two three four five six seven"
    assert is_unchanged(seven, seven.upper() + "!")
    assert is_unchanged(seven, "one two three four five six")  # 6 of 7 words
    assert not is_unchanged(seven, "one two three four five")


def test_forms_of_a_word_are_one_word() -> None:
    for one, other in [("sits", "sitting"), ("hides", "hiding"), ("throws", "throwing"), ("city", "cities")]:
        assert content_words(one) == content_words(other)
    assert content_words("the panel shows a") == set()


NAMES = ["person", "dog", "hot dog", "tv", "bus"]
MATCHER = NameMatcher(NAMES, [SYNONYMS[each] for each in NAMES])
category = st.sampled_from(sorted(SYNONYMS))


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
    assert MATCHER.verdict(answer).region == region


@given(st.lists(category, min_size=2, max_size=6, unique=True), st.data())
def test_a_category_is_its_own_name(names: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(names)))
    matcher = NameMatcher(names, [SYNONYMS[each] for each in names])
    assert matcher.verdict(f"This is a {names[number - 1]}.").region == number


def test_two_regions_of_one_name_cannot_be_told_apart() -> None:
    assert NameMatcher(["dog", "dog"], [(), ()]).verdict("a dog").region is None


def test_no_synonym_is_another_categorys_name() -> None:
    for name, others in SYNONYMS.items():
        assert not set(others) & SYNONYMS.keys(), name
