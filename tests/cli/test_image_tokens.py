"""`--image-tokens`: on all commands that read pictures, in their results, and part of what is found again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gazecli
from gazecli.models import vlm as vlm_module
from gazecli.models.vlm import VLM
from tests.cli.conftest import Ran, gaze_here
from tests.conftest import write_comics

Gaze = Callable[..., Ran]


@pytest.fixture
def gaze(capfd: pytest.CaptureFixture[str]) -> Gaze:
    return lambda *arguments: gaze_here(capfd, *arguments)


@pytest.fixture
def model(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("qwen3_vl")


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    folder = write_comics(tmp_path / "comics", strips=2, panels=3)
    for comic in folder.iterdir():
        (comic / "captions.txt").write_text("a red cat sleeps\na blue dog runs\na green fox jumps\n")
    return folder


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    path = tmp_path / "strip.png"
    Image.effect_noise((720, 240), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def discovered(gaze: Gaze, model: Path, comics: Path) -> dict[str, Any]:
    return gaze("discover", model, comics, "--panels", 3, "--json").document("headset")


HARD = ("--panels", 3, "--strength", "hard", "--max-new-tokens", 2)


def test_discovery_under_a_bound_is_another_request(
    gaze: Gaze, model: Path, comics: Path, discovered: dict[str, Any]
) -> None:
    def again(*more: object) -> dict[str, Any]:
        return gaze("discover", model, comics, "--panels", 3, *more).document("headset")

    assert "image_tokens" not in discovered["settings"]
    bounded = again("--image-tokens", 60)
    assert (bounded["cached"], bounded["settings"]["image_tokens"]) == (False, 60)
    assert bounded["digest"] != discovered["digest"]
    assert again("--image-tokens", 60)["cached"]
    assert not again("--image-tokens", 61)["cached"]
    assert (again()["cached"], again()["digest"]) == (True, discovered["digest"])


@pytest.mark.usefixtures("discovered")
@pytest.mark.parametrize("command", ["steer", "switch", "track"])
def test_a_picture_is_shown_in_so_many_tokens_and_the_result_says_so(
    gaze: Gaze, strip: Path, command: str
) -> None:
    calls = {
        "steer": ("steer", strip, *HARD, "--region", 2),
        "switch": ("switch", strip, "--panels", 3, "--strength", "hard", "--schedule", "2", "--every", 2),
        "track": ("track", strip, "--panels", 3, "--max-new-tokens", 2),
    }
    whole = gaze(*calls[command]).document(command)
    assert whole["picture"]["image_tokens"] == sum(region["tokens"] for region in whole["regions"]) == 176
    assert "image_tokens" not in whole["settings"]
    bounded = gaze(*calls[command], "--image-tokens", 60).document(command)
    assert bounded["picture"]["image_tokens"] == sum(region["tokens"] for region in bounded["regions"]) == 52
    assert bounded["settings"]["image_tokens"] == 60


@pytest.mark.usefixtures("discovered")
def test_a_large_picture_is_spoken_of_before_the_work_and_not_with_quiet(
    gaze: Gaze, strip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vlm_module._MANY_TOKENS, "cpu", 100)
    call = ("steer", strip, *HARD, "--region", 2)
    said = gaze(*call).err
    assert said.splitlines()[-1] == (
        f"{strip} is 176 image tokens, which take long on cpu: --image-tokens 50 shows it in fewer"
    )
    assert gaze(*call, "--quiet").err == ""
    assert "image tokens" not in gaze(*call, "--image-tokens", 150).err


@pytest.mark.usefixtures("discovered")
def test_a_file_of_answers_knows_those_of_another_bound(gaze: Gaze, strip: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.jsonl"
    own = {"picture": str(strip), "region": 2, "image_tokens": 20, "id": "own"}
    jobs.write_text(json.dumps({"picture": str(strip), "region": 2, "id": "one"}) + "\n" + json.dumps(own))

    def lines(name: str, *more: object) -> tuple[str, list[dict[str, Any]]]:
        path = tmp_path / name
        ran = gaze("steer", *HARD, "--jobs", jobs, "--output", path, *more)
        return ran.err, [json.loads(line) for line in path.read_text().splitlines()]

    _, whole = lines("whole.jsonl")
    assert [line["picture"]["image_tokens"] for line in whole] == [176, 14]
    assert "2 of them there already" in lines("whole.jsonl")[0]
    assert "another answer" in lines("whole.jsonl", "--image-tokens", 60)[0]
    _, bounded = lines("bounded.jsonl", "--image-tokens", 60)
    assert [line["settings"]["image_tokens"] for line in bounded] == [60, 20]
    same = [line["job"] == before["job"] for line, before in zip(bounded, whole, strict=True)]
    assert same == [False, True]


@pytest.mark.usefixtures("discovered")
def test_an_evaluation_under_a_bound_is_another_one(gaze: Gaze, model: Path, comics: Path) -> None:
    call = ("evaluate", model, comics, "--samples", 1, "--max-new-tokens", 2, "--controls", 1, "--json")
    whole = gaze(*call).document("evaluation")
    assert "image_tokens" not in whole["evaluation"]["settings"]
    bounded = gaze(*call, "--image-tokens", 30).document("evaluation")
    assert (bounded["cached"], bounded["evaluation"]["settings"]["image_tokens"]) == (False, 30)
    assert bounded["evaluation"]["digest"] != whole["evaluation"]["digest"]
    assert gaze(*call, "--image-tokens", 30).document("evaluation")["cached"]
    assert gaze(*call).document("evaluation")["cached"]
    report = gaze("report", model).document("report")
    assert "at most 30 image tokens a picture" in report["methods"]


def test_an_evaluation_in_python_under_a_bound_is_another_one(
    vlm_of: Callable[[str], VLM], comics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of("qwen3_vl")
    headset = gazecli.discover(vlm, comics, panels=3)

    def evaluated() -> tuple[bool, int | None]:
        done = gazecli.evaluate(
            headset, comics, model=vlm, samples=1, max_new_tokens=1, controls=1, judge="none"
        )
        return done.cached, done.part.settings.image_tokens

    assert [evaluated(), evaluated()] == [(False, None), (True, None)]
    monkeypatch.setattr(vlm, "image_tokens", 30)
    assert [evaluated(), evaluated()] == [(False, 30), (True, 30)]
    assert gazecli.discover(vlm, comics, panels=3).digest != headset.digest


def test_what_the_model_cannot_do_is_an_error(
    gaze: Gaze, checkpoint: Callable[[str], Path], comics: Path
) -> None:
    ran = gaze("discover", checkpoint("llava"), comics, "--panels", 3, "--image-tokens", 100)
    assert ran.code == 2
    assert "a square picture takes at least 576 image tokens in this model: --image-tokens 100" in ran.err


@pytest.mark.slow
def test_the_doctor_checks_a_model_under_a_bound(gaze: Gaze, model: Path) -> None:
    checks = gaze("doctor", model, "--image-tokens", 50).document("doctor")["checks"]
    found = {check["name"]: check for check in checks}
    assert (found["token map"]["status"], found["token map"]["finding"][:15]) == ("ok", "48 image tokens")
    assert (
        found["pictures"]["finding"]
        == "image tokens, at most 50: 640 x 480: 48, 1920 x 1080: 45, 4000 x 3000: 48"
    )
