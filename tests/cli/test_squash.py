"""Processors that crop: pictures are squashed and that is said, or kept and what is lost is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gazecli
from gazecli.errors import UsageError
from gazecli.models.vlm import VLM
from tests.cli.conftest import Ran, gaze_here
from tests.conftest import write_comics

Gaze = Callable[..., Ran]


@pytest.fixture
def gaze(capfd: pytest.CaptureFixture[str]) -> Gaze:
    return lambda *arguments: gaze_here(capfd, *arguments)


@pytest.fixture
def model(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("llava")


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    folder = write_comics(tmp_path / "comics", strips=2, panels=3)
    for comic in folder.iterdir():
        (comic / "captions.txt").write_text("a red cat sleeps\na blue dog runs\na green fox jumps\n")
    return folder


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    path = tmp_path / "strip.png"
    Image.effect_noise((360, 120), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def discovered(gaze: Gaze, model: Path, comics: Path) -> dict[str, Any]:
    ran = gaze("discover", model, comics, "--panels", 3, "--height", 64, "--json")
    assert "the strips were squashed" in ran.err
    return ran.document("headset")


def test_discovery_says_that_it_squashed(discovered: dict[str, Any]) -> None:
    assert discovered["comics"]["prepared"] == "squashed"
    assert discovered["settings"]["squash"] is True


def test_discovery_with_the_crop_is_another_request(
    gaze: Gaze, model: Path, comics: Path, discovered: dict[str, Any]
) -> None:
    ran = gaze("discover", model, comics, "--panels", 3, "--height", 64, "--no-squash")
    assert ran.code == 2
    assert "no image token looks at region 1" in ran.err
    again = gaze("discover", model, comics, "--panels", 3, "--height", 64).document("headset")
    assert (again["cached"], again["digest"]) == (True, discovered["digest"])
    assert again["comics"]["prepared"] == "squashed"


@pytest.mark.usefixtures("discovered")
def test_without_squashing_the_region_that_is_lost_is_named(gaze: Gaze, strip: Path) -> None:
    call = ("steer", strip, "--panels", 3, "--no-squash", "--strength", "hard", "--max-new-tokens", 2)
    lost = gaze(*call, "--region", 3)
    assert lost.code == 2
    assert "no image token looks at region 3" in lost.err
    assert "--no-squash" in lost.err
    seen = gaze(*call, "--region", 2).document("steer")
    assert seen["picture"]["prepared"] is None
    assert [region["tokens"] for region in seen["regions"]] == [0, 576, 0]


@pytest.mark.usefixtures("discovered")
def test_switching_without_squashing_keeps_the_same_rule(gaze: Gaze, strip: Path) -> None:
    call = ("switch", strip, "--panels", 3, "--every", 2, "--strength", "hard", "--no-squash")
    assert "region 1" in gaze(*call, "--schedule", "2,1").err
    middle = gaze(*call, "--schedule", "2").document("switch")
    assert middle["picture"]["prepared"] is None


@pytest.mark.usefixtures("discovered")
def test_an_evaluation_without_squashing_names_the_region_too(gaze: Gaze, comics: Path) -> None:
    ran = gaze("report", "--evaluate", comics, "--no-squash", "--max-new-tokens", 2)
    assert ran.code == 2
    assert "no image token looks at region 1" in ran.err
    refused = gaze("report", "--no-squash")
    assert refused.code == 2
    assert "--no-squash has no effect without --evaluate" in refused.err


def test_a_loaded_model_says_itself_whether_it_squashes(vlm_of: Callable[[str], VLM], comics: Path) -> None:
    with pytest.raises(UsageError, match="setting for squash"):
        gazecli.discover(vlm_of("llava"), comics, panels=3, squash=False)
