"""What a command finds, Python finds: the same cache, the same documents, the same refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gazecli
from gazecli.errors import AnnotationsError, ComicsError, HeadSetError, UsageError
from tests.cli.conftest import Gaze

SHORT: dict[str, Any] = {"samples": 1, "top": 2, "max_new_tokens": 2, "controls": 1}
WORDS = ("--samples", 1, "--top", 2, "--max-new-tokens", 2, "--controls", 1)


def test_an_evaluation_of_either_is_found_again_by_the_other(gaze: Gaze, known: str, comics: Path) -> None:
    notes: list[str] = []
    steps: list[tuple[int, int]] = []
    first = gazecli.evaluate(
        known, comics, **SHORT, note=notes.append, progress=lambda *step: steps.append(step)
    )
    assert not first.cached
    assert steps[-1][0] == steps[-1][1] > 0
    found = gaze("evaluate", known, comics, *WORDS).document("evaluation")
    assert found["cached"]
    assert found["digest"] == first.kept.digest
    again = gazecli.evaluate(known, comics, **SHORT)
    assert again.cached
    assert json.loads(again.document().json_text()) == found
    assert again.accuracy == found["evaluation"]["conditions"][0]["accuracy"]
    assert "Evaluation(sha256:" in repr(again)
    report = gazecli.report(known)
    shown = gaze("report", known).document("report")
    assert json.loads(report.document().json_text()) == shown
    assert report.text("markdown") == gaze("report", known, "--format", "markdown").out


def test_texts_are_judged_anew_from_their_file(gaze: Gaze, known: str, comics: Path, tmp_path: Path) -> None:
    written = gazecli.evaluate(known, comics, **SHORT, judge="none")
    assert written.accuracy is None
    file = tmp_path / "texts.jsonl"
    file.write_text(written.texts, encoding="utf-8")
    [judged] = gazecli.judge(file)
    assert judged.accuracy is not None
    [found] = gazecli.judge(known)
    assert (found.cached, found.kept.digest) == (True, judged.kept.digest)
    assert gaze("judge", file).document("evaluation")["digest"] == judged.kept.digest


def test_heads_that_are_listed_are_evaluated_and_are_nobodys_newest(gaze: Gaze, known: str) -> None:
    comics = Path(__file__).parents[2] / "examples" / "comics"
    with pytest.raises(UsageError, match="need a model"):
        gazecli.evaluate("0.1,1.2", comics, **SHORT)
    by_text = gazecli.evaluate("0.1,1.2", comics, model="tiny", **SHORT)
    by_pairs = gazecli.evaluate([(0, 1), (1, 2)], comics, model="tiny", **SHORT)
    assert (by_pairs.cached, by_pairs.kept.digest) == (True, by_text.kept.digest)
    assert gaze("report").document("report")["headset"] == known


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"task": "dance"}, UsageError),
        ({"judge": "me"}, UsageError),
        ({"sweep": "all"}, UsageError),
        ({"protocol": "mine"}, UsageError),
        ({"seed": -1}, UsageError),
        ({"controls": 0}, UsageError),
        ({"every": 3}, UsageError),
        ({"task": "dynamic", "every": "word"}, UsageError),
        ({"mode": "blind"}, UsageError),
        ({"strength": "strong"}, UsageError),
        ({"batch_size": 0}, UsageError),
        ({"top": 1000}, UsageError),
        ({"score": "best"}, UsageError),
        ({"annotations": "a.json"}, UsageError),
        ({"comics": "no-such-folder"}, ComicsError),
        ({"comics": "coco"}, UsageError),
        ({"headset": "ffffffff"}, HeadSetError),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused_before_a_model_is_loaded(
    known: str, comics: Path, wrong: dict[str, Any], error: type[Exception]
) -> None:
    asked: dict[str, Any] = {"headset": known, "comics": comics, "model": "no/such-model"}
    with pytest.raises(error):
        gazecli.evaluate(**{**asked, **wrong})


def test_judging_says_what_is_missing(known: str, tmp_path: Path) -> None:
    with pytest.raises(HeadSetError, match="no texts are kept"):
        gazecli.judge(known)
    with pytest.raises(UsageError, match="looks at the pictures"):
        gazecli.judge(known, judge="likelihood")
    file = tmp_path / "texts.jsonl"
    file.write_text("{}\n")
    with pytest.raises(AnnotationsError):
        gazecli.judge(file)


def test_this_machine_its_models_and_comics_are_those_of_the_commands(
    gaze: Gaze, comics: Path, tmp_path: Path
) -> None:
    listed = gaze("models").document("models")["models"]
    assert [json.loads(each.model_dump_json()) for each in gazecli.list_models()] == listed
    found = gazecli.doctor()
    shown = gaze("doctor").document("doctor")
    assert [check.name for check in found.checks] == [
        each["name"] for each in shown["checks"] if each["name"] != "config"
    ]
    assert (
        gazecli.comics.check(comics, panels=3).digest
        == gaze("comics", "check", comics, "--panels", 3).document("comics")["digest"]
    )
    made = gazecli.comics.make(tmp_path / "drawn", 2, seed=7, panels=3)
    assert (made.strips, made.captioned) == (2, 2)
    assert gazecli.comics.open(tmp_path / "drawn", panels=3).digest == made.digest
    assert not gazecli.doctor("no/such-model").ok
