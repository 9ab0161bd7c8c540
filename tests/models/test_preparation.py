"""Pictures that would be cropped are squashed; several pictures and a system prompt are mapped rightly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gazecli.errors import ModelError, RegionError
from gazecli.models.processor import TORCHVISION_ONLY, load_processor, torchvision_state
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import noise_picture
from tests.fixtures.perturbation import changed_positions, check_token_map, dark_picture

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CROPPING = ("llava", "llava_full")
WHOLE = ("llava_pad", "llava_bunny", "llava_next", "qwen2_vl", "internvl", "paligemma", "deepseek_vl")


@pytest.mark.parametrize("family", CROPPING)
def test_a_picture_that_would_be_cropped_is_squashed(vlm_of: Callable[[str], VLM], family: str) -> None:
    picture = noise_picture(600, 100, 6)
    _, layout = vlm_of(family).prepare(picture, "What is this?")
    assert layout.prepared == "squashed"
    assert [len(layout.tokens(region)) for region in picture.regions] == [96] * 6
    seeing = layout.boxes[~layout.boxes.isnan().any(-1)]
    assert seeing.amin(0)[:2].tolist() == [0, 0]
    torch.testing.assert_close(seeing.amax(0)[2:], torch.tensor([600.0, 100.0]))


@pytest.mark.parametrize("family", CROPPING)
def test_without_squashing_a_region_that_is_cropped_away_is_named(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    picture = noise_picture(600, 100, 6)
    _, layout = vlm_of(family).prepare(picture, "What is this?", squash=False)
    assert layout.prepared is None
    assert len(layout.tokens(picture.regions[2])) > 0
    with pytest.raises(RegionError, match="region 6") as caught:
        layout.tokens(picture.regions[5])
    assert caught.value.code == "region.without_token"


def test_the_map_of_a_squashed_picture_is_true(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("llava")

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        inputs, layout = vlm.prepare(Picture.from_image(image), "What is this?")
        return inputs, layout.positions, layout.boxes

    assert check_token_map(vlm.model, prepare, dark_picture(640, 480), smear=0.5, tries=4) == 4


@pytest.mark.parametrize("family", WHOLE)
def test_what_the_model_sees_whole_is_left_alone(vlm_of: Callable[[str], VLM], family: str) -> None:
    _, layout = vlm_of(family).prepare(noise_picture(301, 200, 1), "What is this?")
    assert layout.prepared is None


def test_a_square_picture_is_left_alone(vlm_of: Callable[[str], VLM]) -> None:
    _, layout = vlm_of("llava").prepare(noise_picture(200, 202, 1), "What is this?")
    assert layout.prepared is None


@pytest.mark.parametrize("family", ["qwen2_vl", "internvl", "llava", "llava_next", "gemma3", "mistral3"])
def test_each_of_two_pictures_has_its_own_tokens(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    first = Picture.from_image(dark_picture(200, 120))

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        pictures = [first, Picture.from_image(image)]
        inputs, layout = vlm.prepare(pictures, "What differs?", system="Be brief.")
        vlm.forget_positions()
        return inputs, layout.positions, layout.boxes

    second = dark_picture(120, 300)
    _, layout = vlm.prepare([first, Picture.from_image(second)], "What differs?", system="Be brief.")
    mine = set(layout.positions[layout.picture == 1].tolist())
    changed = changed_positions(vlm.model, prepare, second, (0, 0, 120, 300))
    assert changed
    assert changed <= mine
    assert (layout.picture == 0).any()


@pytest.mark.parametrize("family", ["qwen3_vl", "llava_next", "gemma3"])
def test_a_region_of_the_second_picture_can_be_steered_at(vlm_of: Callable[[str], VLM], family: str) -> None:
    vlm = vlm_of(family)
    pictures = [noise_picture(200, 120, 2, 1), noise_picture(120, 300, 2, 2)]
    inputs, layout = vlm.prepare(pictures, "What differs?", system="Be brief.")
    region = pictures[1].regions[1]
    owned = layout.tokens(region, picture=1).tolist()
    assert set(owned) <= set(layout.positions[layout.picture == 1].tolist())
    others = [place for place in layout.positions.tolist() if place not in owned]
    vlm.forget_positions()
    heads = [(layer, 1) for layer in vlm.heads_of]
    with vlm.steered(heads, layout, region, picture=1), torch.no_grad():
        got = vlm.model(**inputs, use_cache=False).logits[0].float()
    plain = oracle.steered_logits(vlm.model, inputs, heads, owned, others, 10.0).float()
    torch.testing.assert_close(got, plain, atol=1e-3, rtol=0)


def test_a_system_prompt_stands_before_the_picture(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    picture = noise_picture(200, 120, 2)
    inputs, layout = vlm.prepare(picture, "What is this?", system="Answer in one word.")
    before = vlm.decode(inputs["input_ids"][0, : int(layout.positions[0])].tolist())
    assert "Answer in one word." in before
    plain = vlm.prepare(picture, "What is this?")[1]
    assert int(layout.positions[0]) > int(plain.positions[0])
    torch.testing.assert_close(layout.boxes, plain.boxes)


@pytest.mark.skipif(torchvision_state() == "working", reason="torchvision is here")
@pytest.mark.parametrize("name", sorted(TORCHVISION_ONLY))
def test_a_processor_without_a_pillow_form_names_torchvision(tmp_path: Path, name: str) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": name}))
    with pytest.raises(ModelError, match="torchvision") as caught:
        load_processor(tmp_path, "any")
    assert caught.value.code == "model.needs_torchvision"
