"""On an emulated device everything computes what it computes on the CPU, and no operation mixes the two.

`tests.fixtures.accelerator` emulates it, and counts where gaze's own code would make the host wait for a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.steering.schedule import parse_targets, plan
from gazecli.steering.settings import SteerSettings
from gazecli.steering.steer import Answer, steer_regions
from gazecli.steering.switch import Narration, narrate
from tests.conftest import noise_picture, write_comics
from tests.fixtures.accelerator import DEVICE, Waits, move, waits
from tests.fixtures.checkpoints import FAMILIES

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEADS = [(0, 1), (1, 3), (1, 0), (2, 2)]
PANELS = 3
# The experts of gpt-oss sort tokens with a kernel that the emulated device has not.
ON_DEVICE = [family for family in FAMILIES if family != "llava_gpt_oss"]
QUICK = ("qwen2_5_vl", "qwen3_vl", "llava")


def families() -> list[object]:
    slow = [pytest.mark.slow]
    return [pytest.param(name, marks=[] if name in QUICK else slow, id=name) for name in ON_DEVICE]


@pytest.fixture
def far_of(checkpoint: Callable[[str], Path]) -> Callable[[str], VLM]:
    """A model of a family with its weights on the device."""

    def model(family: str) -> VLM:
        vlm = load(str(checkpoint(family)), device="cpu", dtype="float32")
        move(vlm.model)
        assert vlm.device == DEVICE
        return vlm

    return model


def discovered(vlm: VLM, comics: Path, folder: Path, strips: int | None = None) -> tuple[HeadSet, Waits]:
    cache = Cache(folder / str(strips))
    with waits() as counted:
        found = gaze.discover(vlm, comics, panels=PANELS, samples=strips, batch_size=1, cache=cache)
    return found, counted


def ours(waited: Waits) -> Counter[tuple[str, str]]:
    """The waits in gaze's own code; those inside a forward pass are transformers'."""
    return Counter({place: n for place, n in waited.places.items() if place[1].startswith("gazecli/")})


@pytest.mark.parametrize("family", families())
def test_discovery_equals_the_cpus_and_gaze_waits_once_a_strip(
    far_of: Callable[[str], VLM], vlm_of: Callable[[str], VLM], tmp_path: Path, family: str
) -> None:
    comics = write_comics(tmp_path / "comics", 2, PANELS)
    far = far_of(family)
    whole, two = discovered(far, comics, tmp_path / "far")
    _, one = discovered(far, comics, tmp_path / "far", 1)
    near = gaze.discover(vlm_of(family), comics, panels=PANELS, cache=Cache(tmp_path / "near"))
    np.testing.assert_allclose(whole.matrices, near.matrices, atol=1e-5)
    # Rounding may put a head on the other side of the elbow, which is worth a whole point.
    apart = whole.scores("localization") - near.scores("localization")
    np.testing.assert_allclose(apart, apart.round(), atol=1e-4)
    each_strip = ours(two) - ours(one)
    assert each_strip.total() <= (PANELS if family.startswith("paligemma") else 1), each_strip
    assert [place for kind, place in each_strip if kind == "fetch" and place.startswith("gazecli/heads/")]


@pytest.mark.parametrize("family", ["qwen3_vl", "llava"])
@pytest.mark.parametrize("with_maps", [False, True], ids=["plain", "with maps"])
def test_writing_waits_once_a_token(
    far_of: Callable[[str], VLM], vlm_of: Callable[[str], VLM], family: str, with_maps: bool
) -> None:
    picture = noise_picture(600, 100, 6)

    def written(vlm: VLM, tokens: int) -> Answer:
        settings = SteerSettings(max_new_tokens=tokens)
        return steer_regions(vlm, picture, picture.regions[:2], HEADS, settings, with_maps=with_maps).answers[
            1
        ]

    far = far_of(family)
    with waits() as eight:
        answer = written(far, 8)
    with waits() as four:
        written(far, 4)
    same = written(vlm_of(family), 8)
    assert (answer.text, answer.tokens) == (same.text, same.tokens)
    np.testing.assert_allclose(answer.rows, same.rows, atol=1e-5)
    if with_maps:
        np.testing.assert_allclose(answer.maps, same.maps, atol=1e-5)
    each_token = eight.places - four.places
    assert each_token.total() <= 4 + (4 if family == "qwen3_vl" else 0), each_token  # its positions are sent


def test_a_narration_that_changes_its_target_waits_once_a_token(
    far_of: Callable[[str], VLM], vlm_of: Callable[[str], VLM]
) -> None:
    picture = noise_picture(600, 100, 6)

    def narrated(vlm: VLM, every: int) -> Narration:
        schedule = plan(parse_targets("2,4", picture), every=every)
        return narrate(vlm, picture, schedule, HEADS, SteerSettings(scope="answer"), require_effect=False)

    far = far_of("qwen3_vl")
    with waits() as eight:
        narration = narrated(far, 4)
    with waits() as four:
        narrated(far, 2)
    same = narrated(vlm_of("qwen3_vl"), 4)
    assert narration.text == same.text
    each_token = eight.places - four.places
    assert each_token.total() <= 4 * 2, each_token


def test_the_device_counts_every_wait_and_keeps_to_itself() -> None:
    near = torch.arange(6.0)
    with waits() as counted:
        far = near.to(DEVICE)
        far[far > 2]
        float(far.sum())
        far.cpu()
        torch.tensor([1, 2], device=DEVICE)
        near.to(DEVICE, non_blocking=True)
        torch.arange(3, device=DEVICE) + 1
        with pytest.raises(RuntimeError, match="two devices"):
            far + near
        same = (far * 2).cpu()
    kinds = {"send": 0, "read": 0, "fetch": 0}
    for (kind, _), times in counted.places.items():
        kinds[kind] += times
    assert kinds == {"send": 2, "read": 2, "fetch": 2}
    assert torch.equal(same, near * 2)
