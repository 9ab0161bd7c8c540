"""A bound on image tokens is kept, by the processor's own settings, and the token map stays true under it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import gazecli
from gazecli.errors import PictureError, UsageError
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models import vlm as vlm_module
from gazecli.models.inference.shared_prefix import ask, last_token_mass
from gazecli.models.load import load
from gazecli.models.token_maps.bounds import bounded
from gazecli.models.token_maps.registry import BOUNDS, TOKEN_MAPS
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import noise_picture
from tests.fixtures.perturbation import check_token_map, dark_picture

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (1001, 733)
# A bound for a picture of SIZE that its processor would exceed, and the tokens that it then takes.
UNDER = {
    "qwen2_vl": (240, 234),
    "qwen3_vl": (240, 234),
    "glm4v": (240, 234),
    "mistral3": (240, 234),
    "llava_pixtral": (240, 234),
    "gemma4": (240, 130),
    "gemma3_pan_and_scan": (700, 256),
    "internvl": (1100, 256),
    "aya_vision": (900, 845),
    "ovis2": (1000, 768),
    "idefics3": (900, 845),
    "smolvlm": (554, 320),
    "llava_next": (1600, 1368),
    "llava_onevision": (1600, 1261),
}
FIXED = {"llava": 576, "llava_full": 577, "paligemma": 256, "deepseek_vl": 576, "janus": 576, "gemma3": 256}
SMEAR = {"idefics3": 1.0, "smolvlm": 1.0, "llava_onevision": 0.5}
SLOW = ("llava_next", "llava_onevision", "idefics3")


def families(names: Any) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in names]


def test_every_processor_with_a_token_map_has_a_bound() -> None:
    assert BOUNDS.keys() == TOKEN_MAPS.keys()


@pytest.mark.parametrize("family", families(UNDER))
def test_the_bound_is_kept_and_the_map_is_true_under_it(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm, (most, tokens) = vlm_of(family), UNDER[family]

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        inputs, layout = vlm.prepare(Picture.from_image(image), "What is this?", image_tokens=most)
        vlm.forget_positions()
        assert (len(layout.positions), layout.bound) == (tokens, most)
        return inputs, layout.positions, layout.boxes

    picture = dark_picture(*SIZE)
    assert check_token_map(vlm.model, prepare, picture, smear=SMEAR.get(family, 0.25), tries=3) == 3


@pytest.mark.parametrize("family", families(UNDER))
def test_a_picture_within_the_bound_is_shown_as_ever(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm, picture = vlm_of(family), noise_picture(300, 200, 1)
    inputs, layout = vlm.prepare(picture, "What is this?")
    assert vlm.count_image_tokens(300, 200) == len(layout.positions)
    again, kept = vlm.prepare(picture, "What is this?", image_tokens=len(layout.positions))
    assert inputs.keys() == again.keys()
    assert all(torch.equal(inputs[name], again[name]) for name in inputs if torch.is_tensor(inputs[name]))
    torch.testing.assert_close(layout.boxes, kept.boxes, rtol=0, atol=0, equal_nan=True)


EDGES = st.integers(20, 6000)


@pytest.mark.parametrize("family", ["qwen3_vl", "glm4v", "mistral3", "gemma4", "ovis2", "llava_next"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(sizes=st.lists(st.tuples(EDGES, EDGES), min_size=1, max_size=2), most=st.integers(1, 3000))
def test_no_picture_takes_more_and_none_is_enlarged(
    vlm_of: Callable[[str], VLM], family: str, sizes: list[tuple[int, int]], most: int
) -> None:
    preparation = vlm_of(family).preparation
    try:
        own = bounded(preparation.showings, preparation.processor, sizes, 10**6).counts
        showing = bounded(preparation.showings, preparation.processor, sizes, most)
    except (PictureError, ValueError):  # it cannot be shown in so few, or not at all
        return
    assert max(showing.counts) <= most
    assert all(count <= before for count, before in zip(showing.counts, own, strict=True))
    assert all(
        shown[0] <= size[0] and shown[1] <= size[1] for shown, size in zip(showing.sizes, sizes, strict=True)
    )


@pytest.mark.parametrize("size", [(12000, 800), (100, 5000)])
def test_a_long_page_keeps_the_bound_too(vlm_of: Callable[[str], VLM], size: tuple[int, int]) -> None:
    for family in ("qwen3_vl", "mistral3"):
        layout = vlm_of(family).prepare(noise_picture(*size, 1), "What is this?", image_tokens=60)[1]
        assert 20 < len(layout.positions) <= 60


def test_each_of_two_pictures_keeps_the_bound(vlm_of: Callable[[str], VLM]) -> None:
    for family in ("qwen3_vl", "internvl", "mistral3"):
        pictures = [noise_picture(900, 500, 1, 1), noise_picture(200, 700, 1, 2)]
        layout = vlm_of(family).prepare(pictures, "What differs?", image_tokens=300)[1]
        assert 30 < int(layout.picture.bincount().max()) <= 300
        for number, picture in enumerate(pictures):
            mine = layout.boxes[layout.picture == number]
            assert mine.amax(0)[2:].tolist() == [picture.width, picture.height]


@pytest.mark.parametrize(("family", "tokens"), FIXED.items())
def test_a_family_of_fixed_size_takes_no_lower_bound(
    vlm_of: Callable[[str], VLM], family: str, tokens: int
) -> None:
    vlm = vlm_of(family)
    with pytest.raises(UsageError, match=f"at least {tokens} image tokens") as caught:
        vlm.preparation.check_bound(tokens - 1)
    assert f"--image-tokens {tokens}" in str(caught.value.hint)
    picture = noise_picture(300, 200, 1)
    with pytest.raises(PictureError, match=f"{tokens} image tokens or more"):
        vlm.prepare(picture, "What is this?", image_tokens=tokens - 1)
    layout = vlm.prepare(picture, "What is this?", image_tokens=tokens)[1]
    assert len(layout.positions) == tokens


def test_load_takes_a_bound_and_refuses_an_impossible_one(checkpoint: Callable[[str], Path]) -> None:
    vlm = load(checkpoint("qwen3_vl"), device="cpu", image_tokens=50)
    assert len(vlm.prepare(noise_picture(800, 600, 1), "What is this?")[1].positions) <= 50
    with pytest.raises(UsageError, match="must be between 1"):
        load(checkpoint("qwen3_vl"), image_tokens=0)
    with pytest.raises(UsageError, match="at least 576"):
        load(checkpoint("llava"), device="cpu", image_tokens=100)


def test_ovis_is_followed_where_a_near_square_takes_several_tiles(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("ovis2")

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        inputs, layout = vlm.prepare(Picture.from_image(image), "What is this?")
        assert len(layout.positions) == 5 * 256
        return inputs, layout.positions, layout.boxes

    assert check_token_map(vlm.model, prepare, dark_picture(600, 560), tries=3) == 3


def test_discovery_under_a_bound_equals_one_eager_pass_a_question(
    vlm_of: Callable[[str], VLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, picture = vlm_of("qwen3_vl"), noise_picture(720, 240, 3)
    monkeypatch.setattr(vlm, "image_tokens", 60)
    prompts = panel_prompts(DISCOVERY_PROMPT, 3)
    questions = ask(vlm, picture, prompts)
    assert len(questions.layout.positions) <= 60
    fast = last_token_mass(vlm, [questions], [questions.layout.membership(picture.regions)])
    strip = []
    for prompt in prompts:
        inputs, layout = vlm.prepare(picture, prompt)
        regions = [layout.tokens(region).tolist() for region in picture.regions]
        strip.append((inputs, [*regions, layout.positions.tolist()]))
    vlm.forget_positions()
    plain = oracle.discover(vlm.model, [strip])
    for layer, mass in fast.items():
        np.testing.assert_allclose(mass[0].transpose(0, 1).numpy(), plain[layer], atol=1e-4, rtol=0)


def test_a_loaded_model_has_its_own_bound(vlm_of: Callable[[str], VLM], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="setting for image_tokens"):
        gazecli.discover(vlm_of("qwen3_vl"), tmp_path, panels=3, image_tokens=60)


def test_a_large_picture_is_spoken_of_once_and_a_far_larger_one_again(
    vlm_of: Callable[[str], VLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of("qwen3_vl")
    said: list[str] = []
    monkeypatch.setitem(vlm_module._MANY_TOKENS, "cpu", 100)
    monkeypatch.setattr(vlm, "_advised", 0)
    monkeypatch.setattr(vlm, "advise", said.append)
    for side, bound in ((250, None), (800, 90), (400, None), (420, None), (800, None)):
        picture = noise_picture(side, side, 1)
        vlm.prepare(picture, "What is this?", image_tokens=bound)
    assert [line.split(",")[0] for line in said] == [
        "a picture of 400 x 400 pixels is 144 image tokens",
        "a picture of 800 x 800 pixels is 625 image tokens",
    ]
    assert all("--image-tokens 50" in line for line in said)
