"""`gaze doctor`: what it finds on this machine and in a model, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

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
    assert names[-7:] == ["model", "pictures", "token map", "steering", "attention", "writing", "sight"]
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


@pytest.mark.slow
def test_a_model_of_the_hub_is_fetched_and_then_needs_no_network(
    gaze: Gaze, hub: Hub, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    hub.add("someone/Small-VL", checkpoint("qwen2_vl"))
    home, cached = hub.environment(tmp_path / "home"), {"HF_HUB_OFFLINE": "1"}
    ran = gaze("doctor", "someone/Small-VL", "--json", env=home, fresh=True)
    assert ran.document("doctor")["ok"]
    assert gaze("doctor", "someone/Small-VL", "--json", env=home | cached, fresh=True).code == 0


def test_weights_that_a_model_does_not_use_are_counted_with_v(
    capfd: pytest.CaptureFixture[str], checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint("qwen2_vl"), tmp_path / "more")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "mtp.norm.weight": torch.ones(4)}, folder / "model.safetensors", {"format": "pt"})
    said = "1 weight of the checkpoint is not used by this model, mtp.norm.weight"
    assert said in gaze_here(capfd, "doctor", folder, "-v").err
    assert said not in gaze_here(capfd, "doctor", folder).err


def test_a_model_that_sees_nothing_gets_a_warning_and_no_error(
    capfd: pytest.CaptureFixture[str], checkpoint: Callable[[str], Path]
) -> None:
    ran = gaze_here(capfd, "doctor", checkpoint("qwen2_vl"), "--json")
    assert ran.code == 0
    [sight] = [check for check in ran.document("doctor")["checks"] if check["name"] == "sight"]
    assert sight["status"] == "warning"
    assert "of 8 pictures" in sight["finding"]
    assert f"about sight: {sight['hint']}" in gaze_here(
        capfd, "doctor", checkpoint("qwen2_vl"), "--format", "human"
    ).out.replace("\n", " ")
