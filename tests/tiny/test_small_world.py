"""The small world: seeds repeat, held-out combinations stay out of training, wordings include the paper's."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.pictures.comics.comics import open_comics
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import DYNAMIC_PROMPT, STATIC_PROMPT
from gazecli.tiny.comics import make_comics
from gazecli.tiny.panel import draw_panel
from gazecli.tiny.scenes import ACTIONS, COLOURS, SUBJECTS, Scene, draw_scene, draw_strip
from gazecli.tiny.training import questions


def test_about_a_tenth_of_the_combinations_is_held_out() -> None:
    combinations = [
        Scene(colour, subject, action, "box", "at home")
        for colour in COLOURS
        for subject in SUBJECTS
        for action in ACTIONS
    ]
    share = sum(scene.held_out for scene in combinations) / len(combinations)
    assert 0.07 < share < 0.13


@given(st.integers(0, 10**6))
def test_training_and_test_scenes_never_meet(seed: int) -> None:
    rng = random.Random(seed)
    assert not draw_scene(rng, "train").held_out
    assert draw_scene(rng, "test").held_out


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from(["train", "test", "all"]))
def test_a_strip_shows_no_colour_and_no_subject_twice(seed: int, panels: int, split: str) -> None:
    scenes = draw_strip(random.Random(seed), panels, split)  # type: ignore[arg-type]
    assert len({scene.colour for scene in scenes}) == panels
    assert len({scene.subject for scene in scenes}) == panels


def test_even_long_strips_of_held_out_scenes_come_to_an_end() -> None:
    assert len(set(draw_strip(random.Random(1), 20, "test"))) == 20


def test_the_same_seed_draws_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_comics(tmp_path / name, 2, seed=9, panels=3)
    make_comics(tmp_path / "other", 2, seed=10, panels=3)
    files = {name: sorted((tmp_path / name).rglob("*.*")) for name in ("one", "two", "other")}
    contents = {name: [path.read_bytes() for path in paths] for name, paths in files.items()}
    assert contents["one"] == contents["two"]
    assert contents["one"] != contents["other"]


def test_made_comics_open_with_their_captions(tmp_path: Path) -> None:
    make_comics(tmp_path / "comics", 2, seed=3, panels=4)
    comics = open_comics(tmp_path / "comics", panels=4)
    assert comics.layout == "panels"
    for strip in comics.strips:
        assert len(strip.load().regions) == 4
        assert strip.captions is not None
        assert all(caption.endswith(".") for caption in strip.captions)


def test_panels_of_a_joined_strip_are_found_by_their_gutters() -> None:
    from PIL import Image

    rng = random.Random(5)
    sheet = Image.new("RGB", (6 * 256 + 7 * 8, 256 + 16), "white")
    for place, scene in enumerate(draw_strip(rng, 6)):
        sheet.paste(draw_panel(scene, rng), (8 + place * 264, 8))
    found = Picture.from_image(sheet, panels="auto").regions
    expected = [(8 + place * 264, 8, 8 + place * 264 + 256, 264) for place in range(6)]
    np.testing.assert_allclose([region.box for region in found], expected, atol=3)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_looks_different_in_every_colour(subject: str) -> None:
    panels = [
        np.asarray(
            draw_panel(Scene(colour, subject, "sits on", "box", "at home"), random.Random(1), 64, 1),
            dtype=int,
        )
        for colour in COLOURS
    ]
    for place, panel in enumerate(panels):
        for other in panels[place + 1 :]:
            assert np.abs(panel - other).mean() > 1


def test_the_papers_prompts_are_asked_in_training_to_the_letter() -> None:
    in_words = DISCOVERY_PROMPT.replace("{ordinal}", "{ordinal_word}")
    for k, prompt in enumerate(panel_prompts(in_words, 6), 1):
        assert questions.fill(questions.PAPER_PANEL, k, 6) == prompt
    assert questions.PAPER_STATIC == STATIC_PROMPT
    assert questions.PAPER_DYNAMIC == DYNAMIC_PROMPT


def test_unseen_wordings_are_never_drawn() -> None:
    rng = random.Random(0)
    unseen = {questions.fill(wording, k, 6) for wording in questions.UNSEEN_PANEL for k in range(1, 7)}
    drawn = {questions.panel_question(rng, rng.randint(1, 6), 6) for _ in range(5000)}
    assert not unseen & drawn
    assert len(drawn) > 500
