"""discover, steer, switch, report and doctor through the command, on a random checkpoint."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gazecli.cache import Cache
from gazecli.heads.discover import discover
from gazecli.models.vlm import VLM
from tests.cli.conftest import Gaze, checked, without_torch
from tests.conftest import write_comics


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, vlm_of: Callable[[str], VLM]) -> tuple[Path, str]:
    """A cache with a random model's head set, and its digest."""
    comics = write_comics(tmp_path_factory.mktemp("known") / "comics", strips=3, panels=3)
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return cache.root, discover(vlm_of("qwen2_vl"), comics, panels=3, cache=cache).digest


@pytest.fixture
def known(found: tuple[Path, str], own_cache: Path) -> str:
    """A random model with a head set in the cache: the digest."""
    shutil.copytree(found[0], own_cache)
    return found[1]


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    path = tmp_path / "strip.png"
    Image.effect_noise((360, 120), 90).convert("RGB").save(path)
    return path


def test_discovery_is_kept_and_the_second_call_says_so(
    gaze: Gaze, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    comics = write_comics(tmp_path / "comics", strips=3, panels=3)
    call = ("discover", checkpoint("qwen2_vl"), comics, "--panels", 3)
    first = gaze(*call, fresh=True).document("headset")
    assert (first["cached"], first["comics"]["strips"]) == (False, 3)
    model = first["model"]
    assert len(first["heads"]) == model["layers"] * model["heads"]
    score = first["suggested"]["score"]
    assert [h[score] for h in first["heads"]] == sorted((h[score] for h in first["heads"]), reverse=True)
    again = gaze(*call).document("headset")
    assert again["cached"]
    assert again["digest"] == first["digest"]
    assert gaze(*call, "-q", "--format", "human").out == f"{first['digest']}\n"


def test_a_second_discovery_needs_no_torch(known: str, tmp_path: Path, vlm_of: Callable[[str], VLM]) -> None:
    comics = write_comics(tmp_path / "comics", strips=3, panels=3)
    call = ("discover", vlm_of("qwen2_vl").source, str(comics), "--panels", "3")
    found = checked(without_torch(*call, "--device", "cpu", "--dtype", "float32"), "headset")
    assert found["digest"] == known


def test_a_report_of_what_is_kept_needs_no_torch(known: str) -> None:
    assert checked(without_torch("report"), "report")["headset"] == known


def test_steering_tells_what_was_said_and_what_moved(
    gaze: Gaze, known: str, strip: Path, tmp_path: Path
) -> None:
    heatmap = tmp_path / "heat.png"
    ran = gaze(
        "steer", strip, "--panels", 3, "--region", 2, "--top", 4, "--max-new-tokens", 3, "--heatmap", heatmap
    )
    document = ran.document("steer")
    assert document["headset"] == known
    assert len(document["heads"]) == 4
    assert [region["number"] for region in document["regions"]] == [1, 2, 3]
    [answer] = document["answers"]
    assert answer["region"] == 2
    moved = answer["attention_on_region"]
    assert moved["steered"] > moved["baseline"]
    assert document["settings"]["strength"] == 10.0
    with Image.open(heatmap) as painted:
        assert painted.width >= 360


def test_a_picture_may_come_through_a_pipe(gaze: Gaze, known: str, strip: Path) -> None:
    call = ("--region", "50%,0%,100%,100%", "--max-new-tokens", 2, "--no-baseline")
    document = gaze("steer", "-", *call, stdin=strip.read_bytes()).document("steer")
    assert document["picture"]["path"] == "-"
    assert document["baseline"] is None
    assert document["regions"][0]["box"] == [180, 0, 360, 120]
    assert known == document["headset"]


def test_an_answer_can_be_watched_while_it_is_written(gaze: Gaze, known: str, strip: Path) -> None:
    call = (
        "steer",
        strip,
        "--heads",
        known[:15],
        "--panels",
        3,
        "--region",
        1,
        "--max-new-tokens",
        2,
        "--stream",
    )
    assert gaze(*call, "--format", "human").code == 0
    refused = gaze(*call, "--json")
    assert refused.code == 2
    assert "--stream" in refused.error()["message"]


def test_switching_tells_the_schedule_and_where_the_heads_looked(
    gaze: Gaze, known: str, strip: Path, tmp_path: Path
) -> None:
    table = tmp_path / "trajectory.csv"
    call = ("--panels", 3, "--schedule", "3,1", "--every", 3, "--max-new-tokens", 6, "--strength", "hard")
    document = gaze("switch", strip, *call, "--trajectory", table).document("switch")
    assert document["headset"] == known
    assert document["schedule"] == [{"token": 0, "region": 3}, {"token": 3, "region": 1}]
    assert len(document["trajectory"]["steps"]) == document["tokens"] == 6
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["target"] for row in rows] == ["3"] * 3 + ["1"] * 3
    assert set(rows[0]) == {"token", "target", "text", "region_1", "region_2", "region_3"}


def test_a_report_goes_into_pipes_and_files(gaze: Gaze, known: str, tmp_path: Path) -> None:
    document = gaze("report").document("report")
    assert document["headset"] == known
    assert sum(layer["heads_in_top"] for layer in document["layers"]) == document["suggested"]["top"]
    assert len(document["matrices"][0]["matrix"]) == 3
    file = tmp_path / "report.json"
    ran = gaze("report", known[7:13], "-o", file)
    assert (ran.code, ran.out) == (0, "")
    assert json.loads(file.read_text()) == document
    assert "suggested" in gaze("report", "--format", "human").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--region", "1"], "--panels"),
        (["--panels", "3"], "--region"),
        (["--panels", "3", "--region", "9"], "9"),
        (["--panels", "3", "--region", "1", "--all-regions"], "--all-regions"),
        (["--panels", "3", "--region", "1", "--top", "0"], "--top"),
        (["--panels", "3", "--region", "1", "--strength", "nan"], "strength"),
        (["--panels", "3", "--region", "1", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["--panels", "3", "--region", "1", "--heatmap", "x.gif"], "--heatmap"),
        (["--panels", "3", "--region", "1", "--heatmap", "/no/where/x.png"], "/no/where"),
        (["--panels", "3", "--region", "1", "--heads", "ffff"], "ffff"),
        (["--panels", "3", "--region", "1", "--max-pixels", "10"], "--max-pixels"),
    ],
)
def test_bad_input_is_refused_with_a_hint(
    gaze: Gaze, known: str, strip: Path, arguments: list[str], said: str
) -> None:
    del known
    ran = gaze("steer", strip, *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err
    assert ran.err.startswith("error: ")


def test_without_a_head_set_that_of_tiny_is_taken_and_the_way_to_others_shown(
    gaze: Gaze, strip: Path
) -> None:
    ran = gaze("steer", strip, "--panels", 3, "--region", 1, "--max-new-tokens", 2)
    assert ran.document("steer")["model"]["name"] == "tiny"
    assert "gaze discover" in ran.err


def test_a_model_without_a_head_set_is_told_the_way_to_one(gaze: Gaze, strip: Path) -> None:
    ran = gaze("steer", strip, "--panels", 3, "--region", 1, "--model", "qwen2-vl-7b")
    assert ran.code == 2
    assert "gaze discover qwen2-vl-7b" in ran.err
