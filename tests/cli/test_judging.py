"""Judges, kept texts, natural pictures and selectors through the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Gaze
from tests.conftest import noise_picture
from tests.evaluation.comics import CAPTIONS, captioned_comics
from tests.evaluation.natural_pictures import write_coco

pytestmark = pytest.mark.usefixtures("known")
QUICK = ("--max-new-tokens", 2, "--device", "cpu", "--top", 2, "--samples", 1)
SELECTORS = ["raw", "selectivity", "image", "localization"]


def judged(evaluation: dict[str, Any]) -> dict[str, Any]:
    """What a judge makes of texts, without what tells how they were written."""
    names = ("task", "chance", "strips", "settings", "conditions", "groups", "examples", "judging", "judge")
    return {name: evaluation[name] for name in names}


@pytest.mark.parametrize(
    "task", [("--task", "static", *QUICK), ("--task", "dynamic", "--every", 3, "--top", 2, "--samples", 1)]
)
def test_texts_that_were_kept_are_judged_later_as_they_would_have_been_at_once(
    gaze: Gaze, comics: Path, tmp_path: Path, task: tuple[object, ...]
) -> None:
    texts = tmp_path / "texts.jsonl"
    at_once = gaze("report", "--evaluate", comics, *task).document("report")["evaluation"]
    kept = gaze("report", "--evaluate", comics, *task, "--judge", "none", "--generations", texts)
    unjudged = kept.document("report")["evaluation"]
    assert (unjudged["judge"], unjudged["conditions"]) == ("none", [])
    assert unjudged["generations"]["texts"] == 3 * len(at_once["conditions"])
    later = gaze("report", "--rejudge", texts, "--judge", "lexical").document("report")["evaluation"]
    assert judged(later) == {**judged(at_once), "examples": []}
    with_pictures = gaze("report", "--rejudge", texts, "--evaluate", comics).document("report")
    assert judged(with_pictures["evaluation"]) == judged(at_once)


def test_captions_written_afterwards_serve_the_lexical_judge(
    gaze: Gaze, comics: Path, tmp_path: Path
) -> None:
    captions = {path: path.read_text() for path in comics.rglob("captions.txt")}
    for path in captions:
        path.unlink()
    texts = tmp_path / "texts.jsonl"
    call = ("report", "--evaluate", comics, *QUICK, "--judge", "none", "--generations", texts)
    assert gaze(*call).code == 0
    refused = gaze("report", "--rejudge", texts)
    assert refused.code == 2
    assert "captions" in refused.err
    for path, text in captions.items():
        path.write_text(text)
    found = gaze("report", "--rejudge", texts, "--evaluate", comics).document("report")["evaluation"]
    assert found["judging"] == {
        **dict.fromkeys(("model", "endpoint", "prompt", "requests", "kept")),
        "name": "lexical",
        "independent": True,
    }


def test_other_pictures_than_those_the_texts_are_about_are_refused(
    gaze: Gaze, comics: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    assert gaze("report", "--evaluate", comics, *QUICK, "--generations", texts).code == 0
    other = captioned_comics(tmp_path / "other", 2, seed=5)
    refused = gaze("report", "--rejudge", texts, "--evaluate", other)
    assert (refused.code, refused.out) == (2, "")
    assert "other pictures" in refused.err


def test_texts_about_one_picture_listed_twice_are_judged_later(gaze: Gaze, tmp_path: Path) -> None:
    listed, texts = tmp_path / "listed", tmp_path / "texts.jsonl"
    listed.mkdir()
    noise_picture(90, 30, 3).image.save(listed / "page.png")
    boxes = [[0, 0, 30, 30], [30, 0, 60, 30], [60, 0, 90, 30]]
    lines = [{"image": "page.png", "regions": each, "captions": CAPTIONS} for each in (boxes, boxes[::-1])]
    (listed / "strips.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    at_once = gaze("report", "--evaluate", listed, *QUICK[:-2], "--generations", texts).document("report")
    later = gaze("report", "--rejudge", texts, "--evaluate", listed).document("report")
    assert judged(later["evaluation"]) == judged(at_once["evaluation"])


def test_the_model_judges_itself_and_says_so(gaze: Gaze, comics: Path) -> None:
    for captions in comics.rglob("captions.txt"):
        captions.unlink()
    ran = gaze("report", "--evaluate", comics, *QUICK, "--judge", "likelihood")
    judging = ran.document("report")["evaluation"]["judging"]
    assert (judging["name"], judging["independent"]) == ("likelihood", False)


def test_natural_pictures_are_evaluated_by_size_and_category(gaze: Gaze, tmp_path: Path) -> None:
    annotations, images = write_coco(tmp_path)
    call = ("report", "--evaluate", "coco", "--annotations", annotations, "--images", images, *QUICK[:-2])
    ran = gaze(*call)
    found = ran.document("report")["evaluation"]
    assert "skipped c.png" in ran.err
    assert found["chance"] == pytest.approx(2 / 5)
    assert {condition["n"] for condition in found["conditions"]} == {5}
    assert {condition["name"] for condition in found["conditions"]} == {"gaze", "control", "all", "unsteered"}
    assert all(condition["per_region"] == [] for condition in found["conditions"])
    groups = [(group["by"], group["name"], group["n"]) for group in found["groups"]]
    assert groups == [
        ("size", "small", 2),
        ("size", "medium", 2),
        ("size", "large", 1),
        ("category", "dog", 2),
        ("category", "hot dog", 1),
        ("category", "person", 2),
    ]
    assert found["settings"]["prompt"].startswith("What is the main object")
    page = gaze(*call, "--min-area", 395, "--format", "markdown", "--samples", 1).out
    assert "| category: hot dog | 1 |" in page


def test_bad_annotations_are_one_line(gaze: Gaze, tmp_path: Path) -> None:
    annotations, images = write_coco(tmp_path)
    annotations.write_text('{"images": []}')
    ran = gaze("report", "--evaluate", "coco", "--annotations", annotations, "--images", images)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 2
    assert ran.err.startswith("error: the annotations have no list of categories")


@pytest.mark.slow
def test_selectors_stand_side_by_side(gaze: Gaze, comics: Path) -> None:
    plain = gaze("report", "--compare", "--top", 2).document("report")["comparison"]
    assert [each["score"] for each in plain["selectors"]] == SELECTORS
    assert [plain["overlap"][place][place] for place in range(4)] == [2] * 4
    assert all(each["accuracy"] is None for each in plain["selectors"])
    steered = gaze("report", "--compare", "--evaluate", comics, *QUICK).document("report")
    assert steered["comparison"]["overlap"] == plain["overlap"]
    assert [each["n"] for each in steered["comparison"]["selectors"]] == [3] * 4
    assert (
        steered["comparison"]["selectors"][0]["accuracy"]
        == (steered["evaluation"]["conditions"][0]["accuracy"])
    )
    for form, shown in (("human", "selector"), ("markdown", "## Selectors"), ("csv", "selector")):
        assert shown in gaze("report", "--compare", "--top", 2, "--format", form).out


@pytest.mark.parametrize("score", SELECTORS[2:])
def test_every_score_can_choose_the_heads_of_an_evaluation(gaze: Gaze, comics: Path, score: str) -> None:
    call = ("report", "--evaluate", comics, *QUICK, "--score", score, "--compare")
    document = gaze(*call).document("report")
    assert document["evaluation"]["settings"]["score"] == score
    [same] = [each for each in document["comparison"]["selectors"] if each["score"] == score]
    assert document["evaluation"]["conditions"][0]["heads"] == same["heads"]


def test_a_report_carries_what_is_needed_to_repeat_it(gaze: Gaze, comics: Path) -> None:
    document = gaze("report", "--evaluate", comics, *QUICK).document("report")
    assert {"python", "torch", "transformers", "numpy"} <= set(document["versions"])
    settings = document["evaluation"]["settings"]
    assert (settings["device"], settings["dtype"], settings["seed"]) == ("cpu", "float32", 42)
    assert "{ordinal}" in settings["question"]
    drawn = document["evaluation"]["comics"]["digest"]
    for digest in (document["headset"], document["comics"]["digest"], drawn):
        assert digest.startswith("sha256:")
    names = [condition["name"] for condition in document["evaluation"]["conditions"]]
    assert names.index("asked") < names.index("blind") < names.index("blind_control")
    assert [example["truths"] for example in document["evaluation"]["examples"]] == [
        ["A red cat sleeps.", "A blue dog runs.", "A green bird sings."]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--judge", "lexical"], "--judge"),
        (["--generations", "x.jsonl"], "--generations"),
        (["--annotations", "x.json"], "--annotations"),
        (["--min-area", "3"], "--min-area"),
        (
            ["--evaluate", "comics", "--judge", "none", "--generations", "x.jsonl", "--sweep", "heads"],
            "--sweep",
        ),
        (["--evaluate", "comics", "--annotations", "x.json"], "coco"),
        (["--evaluate", "coco"], "--annotations"),
        (["--evaluate", "coco", "--annotations", "x", "--images", "y", "--task", "vqa"], "vqa"),
        (["--evaluate", "coco", "--annotations", "x", "--images", "y", "--layout", "raw"], "--layout"),
        (["--evaluate", "comics", "--judge", "endpoint"], "GAZE_JUDGE_URL"),
        (["--rejudge", "x.jsonl", "--judge", "none"], "--rejudge"),
        (["--rejudge", "x.jsonl", "--task", "vqa"], "--task"),
        (["--rejudge", "x.jsonl", "--top", "3"], "--top"),
        (["--rejudge", "x.jsonl", "--device", "cpu"], "--device"),
        (["--rejudge", "x.jsonl", "--judge", "endpoint"], "--evaluate"),
        (["--rejudge", "x.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_matter_or_is_missing_is_refused(gaze: Gaze, arguments: list[str], said: str) -> None:
    ran = gaze("report", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err


def test_a_page_is_made_of_texts_that_nobody_judged(gaze: Gaze, comics: Path, tmp_path: Path) -> None:
    texts, page = tmp_path / "texts.jsonl", tmp_path / "report.html"
    ran = gaze("report", "--evaluate", comics, *QUICK, "--judge", "none", "--generations", texts, "-o", page)
    assert ran.code == 0, ran.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    lines = texts.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["schema"] == "gaze.generations/1"
