"""`gaze doctor`: what it finds on this machine and in a model, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.models.token_maps import registry
from gazecli.models.token_maps.views import Blind, View
from gazecli.models.token_maps.whole_picture import patch_grid
from tests.cli.conftest import Gaze, gaze_here
from tests.fixtures.hub_server import Hub


def test_a_sound_model_passes_every_check(
    capfd: pytest.CaptureFixture[str], checkpoint: Callable[[str], Path]
) -> None:
    document = gaze_here(capfd, "doctor", checkpoint("qwen2_vl"), "--json").document("doctor")
    assert document["ok"]
    names = [check["name"] for check in document["checks"]]
    assert names[-6:] == ["model", "token map", "steering", "attention", "writing", "sight"]
    assert {"python", "libraries", "torchvision", "device", "config", "cache"} <= set(names)


def test_a_layout_with_rows_and_columns_exchanged_fails_and_says_so(
    capfd: pytest.CaptureFixture[str], checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchanged(*given: object) -> list[View | Blind]:
        [view] = patch_grid(*given)
        return [View([x], view.ys) for x in view.xs]

    monkeypatch.setitem(registry.TOKEN_MAPS, "Qwen2VLProcessor", exchanged)
    ran = gaze_here(capfd, "doctor", checkpoint("qwen2_vl"), "--json")
    assert ran.code == 1
    found = {check["name"]: check for check in ran.document("doctor")["checks"]}
    assert found["token map"]["status"] == "failed"
    assert "exchanges rows and columns" in found["token map"]["finding"]
    assert found["attention"]["status"] == "ok"
    assert ran.error()["code"] == "doctor.failed"
    assert "exchanges rows and columns" in ran.error()["message"]


@pytest.mark.parametrize("option", [("--device", "cpu"), ("--revision", "main"), ("--trust-remote-code",)])
def test_options_of_a_model_are_refused_without_one(
    capfd: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    ran = gaze_here(capfd, "doctor", *option)
    assert ran.code == 2
    assert option[0] in ran.err


def test_a_model_that_cannot_be_loaded_is_a_finding(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = gaze_here(capfd, "doctor", tmp_path, "--json")
    assert ran.code == 1
    assert not ran.document("doctor")["ok"]
    assert "config.json" in ran.error()["message"]


def test_an_impossible_option_is_wrong_usage_and_no_finding(gaze: Gaze) -> None:
    ran = gaze("doctor", "tiny", "--dtype", "float13")
    assert (ran.code, ran.out) == (2, "")
    assert "no such dtype: float13" in ran.err


def test_a_model_of_the_hub_is_fetched_and_then_needs_no_network(
    gaze: Gaze, hub: Hub, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    hub.add("someone/Small-VL", checkpoint("qwen2_vl"))
    home, cached = hub.environment(tmp_path / "home"), {"HF_HUB_OFFLINE": "1"}
    ran = gaze("doctor", "someone/Small-VL", "--json", env=home, fresh=True)
    assert ran.document("doctor")["ok"]
    assert gaze("doctor", "someone/Small-VL", "--json", env=home | cached, fresh=True).code == 0
