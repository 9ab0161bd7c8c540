"""A model spread over main memory and disk computes what it computes on one device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import ModelError, UsageError
from gazecli.models.device_map import parse_device_map
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import steer_regions
from tests.conftest import noise_picture, write_comics

FAMILY = "qwen3_vl"
PANELS = 3


@pytest.fixture(scope="module")
def halves(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device map: the vision tower and the last decoder layer on disk, the rest in memory."""
    names = {name for name, _ in load(str(checkpoint(FAMILY)), device="cpu").model.named_modules()}
    layers = sorted(name for name in names if name.startswith("model.language_model.layers."))
    tops = sorted({".".join(name.split(".")[:4]) for name in layers})
    places: dict[str, str] = {"model.visual": "disk", "lm_head": "cpu", tops[-1]: "disk"}
    places |= dict.fromkeys(tops[:-1], "cpu")
    others = ("embed_tokens", "norm", "rotary_emb")
    places |= {f"model.language_model.{name}": "cpu" for name in others}
    path = tmp_path_factory.mktemp("map") / "map.json"
    path.write_text(json.dumps(places), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def spread(checkpoint: Callable[[str], Path], halves: Path) -> VLM:
    return load(str(checkpoint(FAMILY)), device_map=str(halves), dtype="float32")


def on_disk(vlm: VLM) -> int:
    return sum(weight.device.type == "meta" for weight in vlm.model.parameters())


def test_a_spread_model_finds_the_same_heads(
    spread: VLM, vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    assert on_disk(spread) > 0
    assert spread.device == torch.device("cpu")
    comics = write_comics(tmp_path / "comics", 3, PANELS)
    apart = gaze.discover(spread, comics, panels=PANELS, cache=Cache(tmp_path / "one"))
    whole = gaze.discover(vlm_of(FAMILY), comics, panels=PANELS, cache=Cache(tmp_path / "two"))
    np.testing.assert_allclose(apart.matrices, whole.matrices, atol=1e-6)
    assert apart.top(5) == whole.top(5)


@pytest.mark.parametrize("scope", ["full", "answer"])
def test_a_spread_model_is_steered_alike(spread: VLM, vlm_of: Callable[[str], VLM], scope: str) -> None:
    picture = noise_picture(288, 96, PANELS)
    heads = [(layer, head) for layer in sorted(spread.attention) for head in (0, 2)]
    settings = SteerSettings(max_new_tokens=6, scope=scope)  # type: ignore[arg-type]
    apart, whole = (
        steer_regions(vlm, picture, picture.regions, heads, settings, require_effect=False)
        for vlm in (spread, vlm_of(FAMILY))
    )
    assert [answer.text for answer in apart.answers] == [answer.text for answer in whole.answers]
    assert apart.baseline == whole.baseline
    for mine, theirs in zip(apart.answers, whole.answers, strict=True):
        np.testing.assert_allclose(mine.rows, theirs.rows, atol=1e-5)
    # The vision tower's weights still come from the disk: the hooks are where they were.
    again = steer_regions(spread, picture, picture.regions, heads, settings, require_effect=False)
    assert [answer.text for answer in again.answers] == [answer.text for answer in apart.answers]


def test_auto_keeps_to_the_memory_it_may_use(checkpoint: Callable[[str], Path]) -> None:
    folder = str(checkpoint(FAMILY))
    assert on_disk(load(folder, device_map="auto")) == 0
    total = sum(weight.nbytes for weight in load(folder, device="cpu").model.parameters())
    apart = load(folder, device_map="auto", max_memory={"cpu": total // 2})
    assert on_disk(apart) > 0


@pytest.mark.parametrize(
    "wrong",
    ["everywhere", "no/such/map.json", {}, {"model": -1}, {"model": True}, {"model": "the moon"}, {3: "cpu"}],
)
def test_what_is_no_device_map_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError):
        parse_device_map(wrong)  # type: ignore[arg-type]


def test_a_file_that_is_no_device_map_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    for text in ("[1, 2]", "{", '{"model": null}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=r"map\.json"):
            parse_device_map(str(path))


def test_a_map_that_leaves_out_a_part_is_refused(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError) as refused:
        load(str(checkpoint(FAMILY)), device_map={"model.visual": "disk", "lm_head": "cpu"})
    assert "device map" in str(refused.value.hint)


def test_memory_limits_need_a_strategy(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="strategy"):
        load(str(checkpoint(FAMILY)), max_memory={"cpu": 10**9})


def test_several_processes_do_not_each_spread_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="several processes"):
        parse_device_map("auto")
