"""`gaze report` through the command: evaluation, sweep, formats, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.heads.headset_store import find_headset
from tests.cli.conftest import Gaze, checked

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ("--max-new-tokens", 2, "--device", "cpu")


def test_an_evaluation_sets_gaze_heads_beside_controls(gaze: Gaze, known: str, comics: Path) -> None:
    document = gaze("report", "--evaluate", comics, "--top", 2, *QUICK).document("report")
    assert document["headset"] == known
    assert len(document["matrices"]) == 2
    found = document["evaluation"]
    assert (found["task"], found["judge"], found["strips"]) == ("static", "lexical", 2)
    assert found["chance"] == pytest.approx(1 / 3)
    names = [condition["name"] for condition in found["conditions"]]
    draws = names.count("control")
    assert draws > 0
    assert names[: draws + 3] == ["gaze", *["control"] * draws, "all", "unsteered"]
    assert names[draws + 3 :] == ["asked", "blind", *["blind_control"] * draws]
    assert [c["k"] for c in found["conditions"][:2]] == [2, 2]
    assert [len(c["heads"]) for c in found["conditions"][:2]] == [2, 2]
    assert all(condition["n"] == 6 for condition in found["conditions"])
    assert found["settings"]["prompt"].startswith("What is happening in this panel")
    assert found["choice"] is None


def test_a_sweeps_choice_at_chance_is_shown_and_not_suggested(
    gaze: Gaze, known: str, comics: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    ran = gaze("report", "--evaluate", comics, "--sweep", "heads", "--task", "vqa", *QUICK, "-o", page)
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    document = gaze("report").document("report")
    assert document["headset"] == known
    assert "not kept as a suggestion" in ran.err
    assert "chance" in document["evaluation"]["choice"]["refused"]


def test_a_narration_is_evaluated_against_schedule_and_reading_order(
    gaze: Gaze, known: str, comics: Path
) -> None:
    del known
    call = ("--evaluate", comics, "--task", "dynamic", "--every", 2, "--top", 2, "--samples", 1)
    ran = gaze("report", *call, "--format", "human")
    assert ran.code == 0, ran.err
    assert "ρ with" in ran.out
    assert "unsteered" in ran.out


def test_reports_come_as_pages_and_tables(gaze: Gaze, known: str, tmp_path: Path) -> None:
    page = gaze("report", "--format", "html")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith("<!doctype html>")
    assert known in page.out
    assert gaze("report", "--format", "markdown").out.startswith("# Gaze heads of ")
    rows = list(csv.DictReader(io.StringIO(gaze("report", "--format", "csv").out)))
    assert {row["row"] for row in rows} == {"head"}
    table = tmp_path / "report.csv"
    assert gaze("report", "-o", table).code == 0
    assert list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))) == rows
    assert gaze("report", "--json", "-o", table).code == 0
    checked(json.dumps(json.loads(table.read_text(encoding="utf-8"))), "report")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", "heads"], "--sweep"),
        (["--task", "vqa"], "--task"),
        (["--samples", "3"], "--samples"),
        (["--device", "cpu"], "--device"),
        (["--score", "raw"], "--score"),
        (["--max-new-tokens", "3"], "--max-new-tokens"),
        (["--top", "0"], "--top"),
        (["--format", "docx"], "docx"),
    ],
)
def test_what_cannot_matter_without_comics_is_refused(gaze: Gaze, arguments: list[str], said: str) -> None:
    ran = gaze("report", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", "heads", "--top", "3"], "--top"),
        (["--every", "5"], "--every"),
        (["--task", "dynamic", "--every", "often"], "often"),
        (["--task", "dynamic", "--max-new-tokens", "5"], "--max-new-tokens"),
        (["--top", "9999"], "9999"),
        (["--samples", "1", "--sweep", "heads"], "two strips"),
        (["--strength", "0"], "strength"),
    ],
)
def test_contradicting_options_are_refused(
    gaze: Gaze, known: str, comics: Path, arguments: list[str], said: str
) -> None:
    del known
    ran = gaze("report", "--evaluate", comics, *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err


def test_comics_without_captions_cannot_judge(gaze: Gaze, known: str, comics: Path) -> None:
    del known
    for captions in comics.rglob("captions.txt"):
        captions.unlink()
    ran = gaze("report", "--evaluate", comics)
    assert ran.code == 2
    assert "captions.txt" in ran.err


@pytest.mark.slow
def test_a_report_evaluates_by_the_papers_protocol_as_evaluate_does(gaze: Gaze, own_cache: Path) -> None:
    found = find_headset("tiny", Cache(own_cache))
    # The paper's K of this model is 10.
    renamed = {**found.header, "model": {**found.header["model"], "id": "Qwen/Qwen3-VL-2B-Instruct"}}
    digest, _ = Cache(own_cache).put(replace(found, header=renamed).to_artifact())
    asked = ("--protocol", "paper", "--task", "vqa", "--samples", 1, "--controls", 1, "--model", "tiny")
    shown = gaze("report", digest, "--evaluate", EXAMPLES / "comics", *asked)
    [evaluation] = shown.document("report")["evaluations"]
    assert (evaluation["settings"]["top"], evaluation["settings"]["protocol"]) == (10, "paper")
    assert "top 10 by raw" in shown.err
    again = gaze("evaluate", digest, EXAMPLES / "comics", *asked)
    assert again.document("evaluation")["cached"]
    assert "top 10 by raw" in again.err
