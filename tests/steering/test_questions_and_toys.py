"""What is asked where no question is given, what a toy is warned about, and answers that did not change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gazecli as gaze
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.reports.page.scenes import scene_of_steering
from gazecli.steering.schedule import parse_targets
from gazecli.steering.settings import NATURAL_PROMPT, STATIC_PROMPT, question_for
from gazecli.steering.steer import steer_regions
from gazecli.steering.toy_models import evenness, toy_warning
from gazecli.tiny.comics import example_strips
from tests.conftest import noise_picture

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"


@pytest.fixture(scope="module")
def tiny() -> VLM:
    return gaze.load("tiny", device="cpu")


@pytest.mark.parametrize(
    ("regions", "question"),
    [
        ((3,), STATIC_PROMPT),
        ((1, 6), STATIC_PROMPT),
        (("left",), NATURAL_PROMPT),
        (("10%,20%,55%,80%",), NATURAL_PROMPT),
        (("circle:50%,50%,10%",), NATURAL_PROMPT),
        ((3, "left"), NATURAL_PROMPT),
        (("0%,0%,100%,100%",), STATIC_PROMPT),
    ],
)
def test_panels_are_asked_about_as_panels_and_other_regions_as_parts_of_an_image(
    regions: tuple[int | str, ...], question: str
) -> None:
    picture = Picture.open(STRIP)
    assert question_for(picture, picture.targets(regions)) == question


def test_a_box_of_a_file_is_a_part_of_an_image_unless_it_says_that_it_is_a_panel(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.json"
    cat, plain, panel = [40, 10, 200, 180], [220, 10, 380, 180], [400, 10, 560, 180]
    boxes.write_text(
        json.dumps([{"box": cat, "label": "cat"}, plain, {"box": panel, "panel": True}]), encoding="utf-8"
    )
    picture = Picture.open(STRIP, regions=boxes)
    asked = [question_for(picture, picture.targets([number])) for number in (1, 2, 3)]
    assert asked == [NATURAL_PROMPT, NATURAL_PROMPT, STATIC_PROMPT]
    given = Picture.from_image(Image.open(STRIP), regions=[(220, 10, 380, 180)])
    assert question_for(given, given.targets([1])) == NATURAL_PROMPT


def test_panels_that_were_found_are_panels_when_their_boxes_come_back_from_a_file(tmp_path: Path) -> None:
    found = Picture.open(STRIP).document()
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([region.model_dump(mode="json") for region in found.regions]))
    picture = Picture.open(STRIP, regions=boxes)
    assert question_for(picture, picture.targets([2])) == STATIC_PROMPT


def test_plain_boxes_are_counted_and_a_mask_is_called_by_its_file(tmp_path: Path) -> None:
    picture = Picture.open(STRIP)
    Image.new("L", (picture.width, picture.height), "white").save(tmp_path / "cat.png")
    named = picture.targets([2, "0,0,9,9", "left", "10%,20%,55%,80%", f"@{tmp_path / 'cat.png'}"])
    assert [region.label for region in named] == [None, "box 1", "left", "box 2", "cat.png"]
    turns = parse_targets("1;0,0,9,9;2;5,5,20,20;0,0,9,9", picture)
    assert [region.name for region in turns] == ["1", "box 1", "2", "box 2", "box 1"]
    assert picture.region((0, 0, 9, 9)).label == "box 1"


def test_the_whole_of_a_picture_without_panels_is_a_part_of_an_image() -> None:
    picture = Picture.from_image(Image.new("RGB", (60, 40)))
    assert question_for(picture, picture.targets(or_whole=True)) == NATURAL_PROMPT


def test_a_job_and_a_call_from_python_ask_the_same_question_and_a_prompt_wins(tiny: VLM) -> None:
    heads = [(3, 4)]
    answer = gaze.steer(tiny, STRIP, "left", heads, max_new_tokens=1)
    assert answer.steering is not None
    assert answer.steering.settings.prompt == NATURAL_PROMPT
    own = gaze.steer(tiny, STRIP, "left", heads, "What is this?", max_new_tokens=1)
    assert own.steering is not None
    assert own.steering.settings.prompt == "What is this?"
    steered = steer_regions(tiny, STRIP, [2], heads)
    assert steered.settings.prompt == STATIC_PROMPT


def test_a_toy_is_warned_of_a_picture_without_panels_and_of_a_photograph_cut_into_panels(tiny: VLM) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (120, 360, 3), dtype=np.uint8)
    photo = Picture.from_image(Image.fromarray(grain), panels="auto")
    assert "no panels were found" in str(toy_warning(tiny, photo))
    assert "looks like a photograph" in str(toy_warning(tiny, Picture.from_image(photo.image, panels="1x3")))


def test_a_toy_is_not_warned_of_its_own_strips_and_other_models_never(tiny: VLM) -> None:
    assert [toy_warning(tiny, strip) for strip in example_strips(8, seed=31)] == [None] * 8
    facts = gaze.load("tiny", device="cpu").facts
    other = type(facts)(**{**vars(facts), "id": "Qwen/Qwen2-VL-7B-Instruct"})
    assert toy_warning(other, noise_picture(90, 60, 3)) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (9000, 4)])
def test_evenness_is_a_share_for_a_picture_of_any_shape(size: tuple[int, int]) -> None:
    assert evenness(Image.new("RGB", size)) == 1.0


def test_an_answer_that_is_the_unsteered_one_is_marked_and_regions_go_by_their_label(tiny: VLM) -> None:
    heads = [(0, 4)]  # no gaze head: pointing it changes nothing
    steering = steer_regions(tiny, STRIP, [3, "left"], heads, with_maps=True)
    document = steering.document()
    assert document.baseline is not None
    same = [answer.text == document.baseline.text for answer in document.answers]
    assert same == [True, True]
    assert [answer.unchanged for answer in document.answers] == same
    assert document.warnings == []
    titles = [(text.title, text.notes[-1]) for text in scene_of_steering(steering).steered]
    mark = "unchanged: nearly the words of the unsteered answer"
    assert titles == [("Steered at region 3", mark), ("Steered at region left", mark)]
    alone = steer_regions(tiny, STRIP, [3], heads, with_baseline=False).document()
    assert alone.answers[0].unchanged is None
