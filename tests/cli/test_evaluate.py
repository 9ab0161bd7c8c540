"""`gaze evaluate`, `gaze judge` and `gaze report` together: evaluations are kept, found again and shown."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from html import unescape
from pathlib import Path

import pytest

from tests.cli.conftest import Gaze, checked, without_torch
from tests.evaluation.natural_pictures import write_coco

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.usefixtures("known")
QUICK = ("--max-new-tokens", 2, "--device", "cpu", "--top", 2, "--samples", 1)


def test_an_evaluation_is_kept_and_found_again_at_once(gaze: Gaze, known: str, comics: Path) -> None:
    first = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    assert (first["cached"], first["headset"]) == (False, known)
    assert first["evaluation"]["timing"]["seconds"] > 0
    again = checked(without_torch("evaluate", known, comics, *QUICK), "evaluation")
    assert again["cached"]
    assert (again["digest"], again["path"], again["model"]) == tuple(
        first[name] for name in ("digest", "path", "model")
    )
    assert again["evaluation"]["conditions"] == first["evaluation"]["conditions"]
    assert again["evaluation"]["comics"] == first["evaluation"]["comics"]


def test_turning_heads_away_is_no_way_to_evaluate_that_they_turn_to_a_region(
    gaze: Gaze, known: str, comics: Path
) -> None:
    refused = gaze("evaluate", known, comics, *QUICK, "--mode", "blind")
    assert refused.code == 2
    assert "blinded are among the conditions" in refused.err


def test_the_same_evaluation_run_again_has_the_same_digest(gaze: Gaze, known: str, comics: Path) -> None:
    first = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    moved = shutil.move(comics, comics.with_name("elsewhere"))
    forced = gaze("evaluate", known, moved, *QUICK, "--force").document("evaluation")
    assert not forced["cached"]
    assert forced["digest"] == first["digest"]
    assert gaze("evaluate", known, moved, *QUICK).document("evaluation")["cached"]


@pytest.mark.slow
def test_other_settings_other_captions_or_another_judge_are_another_evaluation(
    gaze: Gaze, known: str, comics: Path
) -> None:
    calls = [(), ("--task", "vqa"), ("--seed", 7), ("--judge", "none"), ("--score", "selectivity")]
    documents = [gaze("evaluate", known, comics, *QUICK, *call).document("evaluation") for call in calls]
    for captions in comics.rglob("captions.txt"):
        captions.write_text("One cat.\nTwo dogs.\nThree birds.\n", encoding="utf-8")
    documents.append(gaze("evaluate", known, comics, *QUICK).document("evaluation"))
    assert not any(document["cached"] for document in documents)
    assert len({document["digest"] for document in documents}) == len(documents)


def test_a_damaged_evaluation_counts_as_absent(gaze: Gaze, known: str, comics: Path) -> None:
    first = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    path = Path(first["path"])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    report = gaze("report", known)
    assert report.document("report")["evaluations"] == []
    assert "set aside" in report.err
    again = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    assert (again["cached"], again["digest"]) == (False, first["digest"])


def test_a_report_shows_every_evaluation_and_loads_no_model(gaze: Gaze, known: str, comics: Path) -> None:
    static = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    narrated = ("--task", "dynamic", "--every", 3, "--top", 2, "--samples", 1, "--device", "cpu")
    dynamic = gaze("evaluate", known, comics, *narrated).document("evaluation")
    assert checked(without_torch("evaluate", known, comics, *narrated), "evaluation")["cached"]
    report = checked(without_torch("report", known), "report")
    assert [each["digest"] for each in report["evaluations"]] == [dynamic["digest"], static["digest"]]
    assert report["evaluation"] == report["evaluations"][0]
    assert report["evaluations"][1]["conditions"] == static["evaluation"]["conditions"]
    human = gaze("report", known, "--format", "human").out
    assert human.count("chance 0.333") == 2
    assert "ρ with" in human
    for form in ("html", "markdown"):
        page = gaze("report", known, "--format", form).out
        assert page.index("Evaluation: dynamic") < page.index("Evaluation: static")
    rows = list(csv.DictReader(io.StringIO(gaze("report", known, "--format", "csv").out)))
    assert {row["task"] for row in rows if row["row"] == "condition"} == {"static", "dynamic"}


@pytest.mark.slow
def test_the_commands_on_a_page_find_again_what_it_shows(gaze: Gaze, known: str, comics: Path) -> None:
    quick = ("--top", 2, "--samples", 1, "--seed", 7)
    more = ("--strength", 5, "--scope", "question", "--controls", 2, "--prompt", 'What\'s "here"?')
    static = gaze("evaluate", known, comics, *quick, "--max-new-tokens", 2, *more).document("evaluation")
    narrated = ("--task", "dynamic", "--every", 3)
    dynamic = gaze("evaluate", known, comics, *quick, *narrated).document("evaluation")
    page = gaze("report", known, "--format", "html").out
    shown = re.findall(r'<pre class="command".*?>(.*?)</pre>', page, re.DOTALL)
    commands = [unescape(re.sub("<.*?>", "", each)) for each in shown]
    words = [shlex.split(each, comments=True) for each in commands]
    assert [each[:2] for each in words] == [
        ["gaze", name] for name in ("discover", *["evaluate"] * 2, "report")
    ]
    places = {"COMICS": str(comics)}
    found = [
        gaze(*(places.get(word, word) for word in each[1:])).document("evaluation") for each in words[1:3]
    ]
    assert [each["digest"] for each in found] == [dynamic["digest"], static["digest"]]
    assert all(each["cached"] for each in found)


def test_a_head_set_that_nobody_evaluated_says_how(gaze: Gaze, known: str) -> None:
    document = gaze("report", known).document("report")
    assert (document["evaluation"], document["evaluations"]) == (None, [])
    assert "not evaluated yet: gaze evaluate" in gaze("report", known, "--format", "human").out


@pytest.mark.slow
def test_evaluations_come_as_tables_pages_and_figures(
    gaze: Gaze, known: str, comics: Path, tmp_path: Path
) -> None:
    human = gaze("evaluate", known, comics, *QUICK, "--format", "human")
    assert "unsteered" in human.out
    page, figures = tmp_path / "page.html", tmp_path / "figures"
    ran = gaze("evaluate", known, comics, *QUICK, "-o", page, "--figures", figures)
    assert (ran.code, ran.out) == (0, ""), ran.err
    told = re.search(
        r"accuracy (\d\.\d{3}) \(.*\) gaze heads, top 2, .* controls, .* unsteered, chance ", ran.err
    )
    text = page.read_text(encoding="utf-8")
    assert told is not None, ran.err
    assert told[1] in text
    assert "Evaluation: static, lexical judge" in text
    assert 'id="pictures"' in text
    assert (figures / "redirection.png").is_file()
    assert gaze("evaluate", known, comics, *QUICK, "--format", "markdown").out.startswith("# Gaze heads of ")
    file = tmp_path / "evaluation.json"
    assert gaze("evaluate", known, comics, *QUICK, "-o", file).code == 0
    assert checked(json.dumps(json.loads(file.read_text(encoding="utf-8"))), "evaluation")["cached"]
    quiet = gaze("evaluate", known, comics, *QUICK, "--format", "human", "-q").out
    assert quiet.strip() == json.loads(file.read_text(encoding="utf-8"))["digest"]


def test_a_sweeps_choice_is_kept_and_found_again(gaze: Gaze) -> None:
    comics = EXAMPLES / "comics"
    known = gaze("discover", "tiny", comics, "--samples", 4).document("headset")["digest"]
    call = ("--sweep", "heads", "--max-new-tokens", 16, "--samples", 4, "--device", "cpu")
    first = gaze("evaluate", known, comics, *call).document("evaluation")
    assert first["headset"] != known
    assert first["evaluation"]["choice"]["swept"] == known
    report = gaze("report").document("report")
    assert report["headset"] == first["headset"]
    assert [each["digest"] for each in report["evaluations"]] == [first["digest"]]
    again = gaze("evaluate", known, comics, *call)
    assert again.document("evaluation")["cached"]
    assert first["headset"] in again.err
    gaze("cache", "rm", first["headset"], "--yes")
    assert not gaze("evaluate", known, comics, *call).document("evaluation")["cached"]


@pytest.mark.slow
def test_a_swept_strength_is_what_the_heads_are_steered_with_from_then_on(gaze: Gaze) -> None:
    comics = EXAMPLES / "comics"
    known = gaze("discover", "tiny", comics, "--samples", 2).document("headset")
    assert known["suggested"]["strength"] is None
    call = ("--sweep", "strength", "--max-new-tokens", 12, "--samples", 4, "--device", "cpu", "--controls", 1)
    swept = gaze("evaluate", "tiny", comics, *call)
    first = swept.document("evaluation")
    chosen = first["evaluation"]["choice"]["strength"]
    assert chosen != 10
    assert first["headset"] != known["digest"]
    assert f"kept as head set {first['headset']}" in swept.err
    again = gaze("evaluate", "tiny", comics, *call).document("evaluation")
    assert (again["cached"], again["digest"]) == (True, first["digest"])
    suggested = gaze("report").document("report")["suggested"]
    assert (suggested["strength"], suggested["top"]) == (chosen, known["suggested"]["top"])
    assert f"strength {chosen:g}" in gaze("report", "--format", "human").out
    strip, short = comics / "strip-0001", ("--device", "cpu", "--max-new-tokens", 2)
    steer = ("steer", strip, "--region", 2, *short)
    switch = ("switch", strip, "--schedule", "2,1", "--every", 1, *short)
    calls = {steer: chosen, switch: chosen, (*steer, "--strength", 10): 10}
    calls[*steer, "--heads", known["digest"]] = 10
    for arguments, strength in calls.items():
        settings = json.loads(gaze(*arguments).out)["settings"]
        assert settings["strength"] == strength, arguments


def test_selectors_that_were_compared_are_kept_too(gaze: Gaze, known: str, comics: Path) -> None:
    steered = gaze("evaluate", known, comics, *QUICK, "--compare").document("evaluation")["comparison"]
    assert [each["n"] for each in steered["selectors"]] == [3] * 4
    assert gaze("evaluate", known, comics, *QUICK, "--compare").document("evaluation")["cached"]
    assert gaze("report", known).document("report")["comparison"] == steered


def test_a_kept_evaluation_gives_its_texts_without_the_model(
    gaze: Gaze, known: str, comics: Path, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    gaze("evaluate", known, comics, *QUICK, "--generations", one)
    again = gaze("evaluate", known, comics, *QUICK, "--generations", other).document("evaluation")
    assert again["cached"]
    lines = one.read_text(encoding="utf-8").splitlines()
    assert again["evaluation"]["generations"]["texts"] == json.loads(lines[0])["texts"]
    assert other.read_text(encoding="utf-8").splitlines()[1:] == lines[1:]
    judged = gaze("judge", other).document("evaluation")
    assert judged["evaluation"]["conditions"] == again["evaluation"]["conditions"]


@pytest.mark.slow
def test_texts_that_nobody_judged_are_judged_later_and_kept_beside(
    gaze: Gaze, known: str, comics: Path
) -> None:
    unjudged = gaze("evaluate", known, comics, *QUICK, "--judge", "none").document("evaluation")
    assert unjudged["evaluation"]["conditions"] == []
    at_once = gaze("evaluate", known, comics, *QUICK).document("evaluation")["evaluation"]
    gaze("cache", "rm", at_once["digest"], "--yes")
    judged = checked(without_torch("judge", known), "evaluation")
    assert judged["headset"] == known
    assert judged["evaluation"]["conditions"] == at_once["conditions"]
    assert judged["evaluation"]["judging"] == at_once["judging"]
    report = gaze("report", known).document("report")
    assert [each["judge"] for each in report["evaluations"]] == ["lexical", "none"]
    with_pictures = gaze("judge", known, comics, "--judge", "likelihood", "--device", "cpu")
    assert with_pictures.document("evaluation")["evaluation"]["judge"] == "likelihood"
    assert len(gaze("report", known).document("report")["evaluations"]) == 3
    assert gaze("judge", known).document("evaluation")["cached"]


def test_natural_pictures_are_judged_anew_as_they_were_drawn(gaze: Gaze, known: str, tmp_path: Path) -> None:
    annotations, images = write_coco(tmp_path)
    pictures = ("--annotations", annotations, "--images", images)
    call = ("coco", *pictures, *QUICK[:-2], "--min-area", 395)
    first = gaze("evaluate", known, *call).document("evaluation")["evaluation"]
    again = gaze("judge", known, "coco", *pictures).document("evaluation")["evaluation"]
    assert again["conditions"] == first["conditions"]
    assert again["groups"] == first["groups"]


def test_the_cache_says_what_an_evaluation_is(gaze: Gaze, known: str, comics: Path, tmp_path: Path) -> None:
    digest = gaze("evaluate", known, comics, *QUICK).document("evaluation")["digest"]
    listed = gaze("cache", "ls").document("cache")["artifacts"]
    kept = {each["digest"]: each for each in listed}[digest]
    assert kept["kind"] == "evaluation"
    assert kept["model"]
    assert kept["comics"].startswith("sha256:")
    assert kept["summary"].startswith("static, 1 strip of 3 panels, top 2, accuracy 0.")
    assert "static, 1 strip" in gaze("cache", "ls", "--format", "human").out
    shown = gaze("cache", "show", digest[7:15])
    assert shown.document("cache")["header"]["headset"] == known
    assert "unsteered" in gaze("cache", "show", digest, "--format", "human").out
    assert gaze("cache", "verify").code == 0
    assert gaze("cache", "export", digest, tmp_path / "kept.safetensors").code == 0
    assert gaze("cache", "rm", digest, "--yes").code == 0
    assert gaze("report", known).document("report")["evaluations"] == []
    assert gaze("cache", "import", tmp_path / "kept.safetensors").code == 0
    assert len(gaze("report", known).document("report")["evaluations"]) == 1


def test_the_short_form_evaluates_and_reports(gaze: Gaze, known: str, comics: Path) -> None:
    gaze("evaluate", known, comics, *QUICK, "--task", "vqa")
    report = gaze("report", known, "--evaluate", comics, *QUICK).document("report")
    assert [each["task"] for each in report["evaluations"]] == ["static", "vqa"]
    again = gaze("evaluate", known, comics, *QUICK).document("evaluation")
    assert (again["cached"], again["digest"]) == (True, report["evaluation"]["digest"])
    assert "--evaluate" not in gaze("report", "--help").out
    assert "--compare" in gaze("report", "--help").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "HEADSET"], "COMICS"),
        (["evaluate", "HEADSET", "COMICS", "--sweep", "heads", "--top", "3"], "--top"),
        (["evaluate", "HEADSET", "COMICS", "--every", "5"], "--every"),
        (["evaluate", "HEADSET", "COMICS", "--task", "dynamic", "--max-new-tokens", "5"], "--max-new-tokens"),
        (["evaluate", "HEADSET", "COMICS", "--judge", "none", "--sweep", "heads"], "--sweep"),
        (["evaluate", "HEADSET", "COMICS", "--images", "x"], "coco"),
        (["evaluate", "HEADSET", "coco"], "--annotations"),
        (["evaluate", "HEADSET", "nowhere"], "nowhere"),
        (["judge", "nowhere.jsonl"], "nowhere.jsonl"),
        (["judge", "HEADSET"], "gaze evaluate"),
        (["judge", "HEADSET", "--judge", "none"], "--judge"),
        (["judge", "HEADSET", "--judge", "endpoint"], "COMICS"),
        (["judge", "HEADSET", "--device", "cpu"], "--device"),
        (["judge", "HEADSET", "--layout", "raw"], "--layout"),
    ],
)
def test_what_cannot_matter_or_is_missing_is_refused(
    gaze: Gaze, known: str, comics: Path, arguments: list[str], said: str
) -> None:
    places = {"HEADSET": known, "COMICS": str(comics)}
    ran = gaze(*(places.get(each, each) for each in arguments))
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err
