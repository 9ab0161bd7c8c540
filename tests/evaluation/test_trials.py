"""Outcomes of responses, and the metrics made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazecli.errors import ComicsError
from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.examples import Example, chance_of, examples_of
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.metrics import condition_metrics
from gazecli.evaluation.trials import Response, Trial, judge_responses
from gazecli.heads.headset import Head
from gazecli.pictures.comics.comics import open_comics
from tests.conftest import write_comics
from tests.evaluation.comics import CAPTIONS, captioned_comics

EXAMPLE = Example("strip", 3, tuple(CAPTIONS))


def judge_answer(target: int, text: str, unsteered: str | None) -> Trial:
    [trial] = judge_responses(LexicalJudge(), EXAMPLE, [Response(target, text, unsteered)])
    return trial


@pytest.mark.parametrize(
    ("text", "unsteered", "outcome", "hit"),
    [
        ("A red cat sleeps.", "A blue dog runs.", "judged", True),
        ("A blue dog runs.", "Nothing.", "judged", False),
        ("A red cat sleeps.", "A red cat sleeps!", "unchanged", False),
        ("A red cat sleeps.", None, "judged", True),
        ("Nothing to see.", "A blue dog runs.", "abstained", False),
        ("no no no no", "no", "junk", False),
        ("", "", "junk", False),
    ],
)
def test_a_response_has_one_outcome(text: str, unsteered: str | None, outcome: str, hit: bool) -> None:
    trial = judge_answer(1, text, unsteered)
    assert (trial.outcome, trial.hit) == (outcome, hit)


def test_metrics_count_every_outcome_once() -> None:
    texts = [
        ["A red cat sleeps.", "A red cat sleeps.", ""],
        ["Hm.", "A blue dog runs.", "A green bird sings."],
    ]
    pictures = [[judge_answer(k, text, "Hm, well.") for k, text in enumerate(row, 1)] for row in texts]
    counted = condition_metrics(Condition("control", [Head(1, 2)], 2), pictures, 3, seed=0)
    assert counted.condition.heads == [(1, 2)]
    assert counted.n == 6
    assert counted.accuracy == pytest.approx(3 / 6)
    assert counted.per_region == [0.5, 0.5, 0.5]
    assert (counted.abstained, counted.junk, counted.unchanged) == (1, 1, 0)
    assert counted.ci95[0] <= counted.accuracy <= counted.ci95[1]


def test_a_region_nobody_was_asked_about_has_no_accuracy() -> None:
    only = judge_answer(2, "A blue dog.", None)
    counted = condition_metrics(Condition("gaze", [Head(0, 0)]), [[only]], 3, seed=0)
    assert counted.per_region == [None, 1.0, None]


def test_strips_without_captions_are_left_out_with_a_reason(tmp_path: Path) -> None:
    folder = captioned_comics(tmp_path / "comics", 3)
    (folder / "comic-001" / "captions.txt").unlink()
    examples = examples_of(open_comics(folder, panels=3))
    assert len(examples.usable) == 2
    [skipped] = examples.skipped
    assert "comic-001" in skipped.path
    assert "captions" in skipped.reason


def test_comics_without_any_captions_are_refused(tmp_path: Path) -> None:
    comics = open_comics(write_comics(tmp_path / "comics", 2, 3), panels=3)
    with pytest.raises(ComicsError, match="captions") as refused:
        examples_of(comics)
    assert "captions.txt" in str(refused.value.hint)
    assert len(examples_of(comics, need_captions=False).usable) == 2


def test_without_a_judge_answers_stay_unjudged() -> None:
    [trial] = judge_responses(None, EXAMPLE, [Response(1, "A red cat sleeps.", "A red cat sleeps.")])
    assert (trial.outcome, trial.described, trial.hit) == ("unjudged", None, False)


def test_chance_is_a_mean_over_targets() -> None:
    two, six = (Example("picture", regions, None) for regions in (2, 6))
    assert chance_of([two]) == pytest.approx(1 / 2)
    assert chance_of([two, six]) == pytest.approx((2 * 1 / 2 + 6 * 1 / 6) / 8)
