"""Regions that have exactly the same image tokens: told once, wherever pictures are steered or measured."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import ComicsError
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.token_maps.shared_tokens import sharing_warning
from gazecli.models.vlm import VLM
from gazecli.pictures.regions import Region, numbered
from gazecli.steering.steer import steer_regions

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"
HEADS = [(3, 4)]


@cache
def tiny(image_tokens: int | None = None) -> VLM:
    return gaze.load("tiny", device="cpu", image_tokens=image_tokens)


def layout(bound: int | None = None) -> ImageLayout:
    """Four tokens side by side, of 10 x 10 pixels each."""
    boxes = torch.tensor([[x, 0.0, x + 10.0, 10.0] for x in (0.0, 10.0, 20.0, 30.0)])
    return ImageLayout(torch.arange(4), boxes, torch.zeros(4, dtype=torch.long), 4, bound=bound)


def test_regions_with_the_same_tokens_are_named_with_what_to_do() -> None:
    panels = numbered([(0, 0, 4, 10), (4, 0, 10, 10), (10, 0, 20, 10)])
    said = "regions 1 and 2 share all their image tokens, so steering cannot tell them apart: "
    assert sharing_warning(layout(), panels) == f"{said}use a larger picture or larger regions"
    bounded = sharing_warning(layout(bound=4), panels)
    assert bounded == f"{said}raise --image-tokens, or use a larger picture or larger regions"


def test_several_groups_are_one_warning_and_labels_stand_beside_numbers() -> None:
    things = [
        Region(1, (0, 0, 4, 10), label="cat"),
        Region(2, (4, 0, 10, 10)),
        Region(3, (10, 0, 14, 10)),
        Region(4, (14, 0, 20, 10)),
        Region(5, (17, 0, 20, 10)),
    ]
    said = str(sharing_warning(layout(), things))
    assert said.startswith("regions 1 (cat) and 2 (and likewise 3, 4 and 5) share all their image tokens")


def test_a_message_stays_a_line_however_many_regions_share() -> None:
    crowd = numbered([(0.1 * n, 0, 0.1 * n + 1, 10) for n in range(40)])
    assert "regions 1, 2, 3, 4, 5, 6 and 34 more share" in str(sharing_warning(layout(), crowd))


def test_regions_that_only_share_some_tokens_are_told_apart() -> None:
    whole, part = Region(1, (0, 0, 20, 10)), Region(2, (0, 0, 10, 10))
    assert sharing_warning(layout(), [whole, part]) is None


def test_regions_without_a_token_share_none() -> None:
    assert sharing_warning(layout(), numbered([(50, 0, 60, 10), (70, 0, 80, 10)])) is None


def test_a_side_that_is_a_panel_is_that_panel_and_a_small_box_in_it_is_not() -> None:
    panels = numbered([(0, 0, 19, 10), (21, 0, 40, 10)])
    side = Region(3, (0, 0, 20, 10), label="left")
    assert sharing_warning(layout(), [*panels, side], own=2) is None
    dots = [Region(3, (1, 1, 2, 2), label="box 1"), Region(4, (7, 7, 8, 8), label="box 2")]
    assert "regions box 1 and box 2 share" in str(sharing_warning(layout(), [*panels, *dots], own=2))


def test_an_answer_a_narration_and_a_tracking_tell_and_so_do_their_documents() -> None:
    steering = steer_regions(tiny(), STRIP, [1], HEADS, image_tokens=3)
    bounded = tiny(3)
    narration = gaze.switch(bounded, STRIP, [1, 3], HEADS, every=1, require_effect=False)
    tracking = gaze.track(bounded, STRIP, HEADS, max_new_tokens=1)
    for result in (steering, steering.answers[0], narration, tracking):
        assert len(result.warnings) == 1
        assert "regions 1 and 2 (and likewise 3 and 4; 5 and 6) share" in result.warnings[0]
        assert result.document().warnings == result.warnings
    assert gaze.steer(tiny(), STRIP, 1, HEADS, max_new_tokens=1).warnings == []


def test_an_answer_says_whether_it_is_the_unsteered_one(tmp_path: Path) -> None:
    blunt = gaze.steer(tiny(), STRIP, 3, [(0, 0)])  # no gaze head: pointing it changes nothing
    assert blunt.unchanged is True
    assert blunt.document().answers[0].unchanged is True
    moved = gaze.steer(tiny(), STRIP, 5, "tiny", cache=Cache(tmp_path))
    assert moved.unchanged is False
    assert gaze.steer(tiny(), STRIP, 3, HEADS, max_new_tokens=1, with_baseline=False).unchanged is None


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    """Two strips; two of the regions of the second one are too small to be told apart."""
    shutil.copy(STRIP, tmp_path / "a.png")
    shutil.copy(STRIP, tmp_path / "b.png")
    sides, dots = [[0, 0, 700, 272], [800, 0, 1592, 272]], [[10, 10, 12, 12], [14, 14, 16, 16]]
    captions = ["a red cat sleeps", "a blue dog runs"]
    lines = [
        {"image": name, "regions": boxes, "captions": captions}
        for name, boxes in (("a.png", sides), ("b.png", dots))
    ]
    (tmp_path / "strips.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_discovery_leaves_out_a_strip_that_cannot_tell_which_panel_is_looked_at(
    comics: Path, tmp_path: Path
) -> None:
    found = gaze.discover(tiny(), comics, panels=2, cache=Cache(tmp_path / "cache"))
    assert found.header["comics"]["strips"] == 1
    [skipped] = found.header["comics"]["skipped"]
    assert skipped["reason"] == "regions 1 and 2 share all their image tokens"


def test_discovery_of_nothing_but_such_strips_says_what_to_do(tmp_path: Path) -> None:
    folder = STRIP.parent / "comics"
    with pytest.raises(ComicsError, match="share all their image tokens") as caught:
        gaze.discover(tiny(3), folder, samples=1, cache=Cache(tmp_path / "cache"))
    assert "--image-tokens" in str(caught.value.hint)


@pytest.mark.parametrize("task", ["static", "dynamic"])
def test_an_evaluation_counts_such_strips(comics: Path, tmp_path: Path, task: str) -> None:
    store = Cache(tmp_path / "cache")
    headset = gaze.discover(tiny(), comics, panels=2, cache=store)

    def evaluated() -> list[str]:
        done = gaze.evaluate(
            headset,
            comics,
            model=tiny(),
            task=task,  # type: ignore[arg-type]
            controls=1,
            cache=store,
            **({"every": 2} if task == "dynamic" else {"max_new_tokens": 2}),  # type: ignore[arg-type]
        )
        return done.part.warnings

    [warning] = evaluated()
    assert warning.startswith("in 1 of 2 pictures regions share all their image tokens")
    assert evaluated() == [warning], "what is kept says it too"
