"""Localization heads' formulas: entropies against a flood fill, maps of discovery against eager attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazecli as gaze
from gazecli.errors import HeadSetError
from gazecli.heads.headset import HeadSet
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.heads.scores import (
    image_z,
    localization,
    mapped_question,
    peaks_at_bottom,
    spatial_entropy,
)
from gazecli.models.token_maps.image_tokens import token_grid_of
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from tests.conftest import noise_picture, write_comics
from tests.oracle import attention_rows


def flooded_entropy(cells: list[list[float]]) -> float:
    """−Σ p ln p by hand: one component after the other, eaten from a set of cells."""
    values = [value for row in cells for value in row]
    mean = sum(values) / len(values)
    left = {
        (y, x): v - mean for y, row in enumerate(cells) for x, v in enumerate(row) if v > mean * (1 + 1e-6)
    }
    if not left:
        return math.log(len(values))
    whole, entropy = sum(left.values()), 0.0
    while left:
        queue, mass = [next(iter(left))], 0.0
        while queue:
            y, x = queue.pop()
            if (y, x) in left:
                mass += left.pop((y, x))
                queue += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        entropy -= mass / whole * math.log(mass / whole)
    return entropy


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_entropies_of_many_maps_equal_those_of_a_flood_fill(rows: int, columns: int, seed: int) -> None:
    maps = np.random.default_rng(seed).random((4, rows, columns)) ** 4
    expected = [flooded_entropy(each.tolist()) for each in maps]
    np.testing.assert_allclose(spatial_entropy(maps), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("cells", "entropy"),
    [
        ([[1, 0, 0, 0], [0, 1, 0, 0]], 0.0),  # cells that touch at a corner are one component
        ([[1, 0, 0, 1]], math.log(2)),
        ([[3, 0, 0, 3, 0, 0, 3]], math.log(3)),
        ([[1, 1], [1, 1]], math.log(4)),  # nothing stands out
    ],
)
def test_entropy_counts_components_that_stand_out(cells: list[list[float]], entropy: float) -> None:
    assert spatial_entropy(np.array([cells], float)) == pytest.approx([entropy])


def test_empty_cells_neither_join_nor_weigh() -> None:
    maps = np.array([[[1, 0, np.nan, 0, 1]]])
    assert spatial_entropy(maps) == pytest.approx([math.log(2)])


def test_peaks_at_the_bottom_are_told_from_three_rows_on() -> None:
    maps = np.zeros((2, 3, 4))
    maps[0, 2, 1] = maps[1, 1, 3] = 1
    assert peaks_at_bottom(maps).tolist() == [True, False]
    assert peaks_at_bottom(maps[:, 1:]).tolist() == [False, False]


def test_image_mass_is_scored_within_its_layer_and_question() -> None:
    masses = np.array([[[0.1, 0.8], [0.3, 0.2]], [[0.5, 0.5], [0.5, 0.5]]])  # (L, H, P)
    assert image_z(masses) == pytest.approx(np.zeros((2, 2)))
    masses[0, 0, 1] = 0.1
    assert image_z(masses) == pytest.approx(np.array([[-1, 1], [0, 0]]))


def test_localization_leaves_out_early_layers_low_mass_and_peaks_at_the_bottom() -> None:
    mass = np.full((4, 3), 0.9)
    mass[3] = 0.05
    entropy = np.full((4, 3), 2.0)
    entropy[0, 0] = entropy[3, 0] = 0.0
    entropy[2, 1] = 0.5
    bottom = np.zeros((4, 3))
    bottom[2, 2] = 0.8
    scores = localization(mass, entropy, bottom)
    assert {tuple(map(int, place)) for place in np.argwhere(scores > 0)} == {(2, 0), (2, 1)}
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 1)


# PaliGemma's processor hands numpy tensors in a way numpy warns of.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "internvl", "paligemma"])
def test_maps_of_discovery_are_those_of_eager_attention(
    vlm_of: Callable[[str], VLM], family: str, tmp_path: Path
) -> None:
    vlm = vlm_of(family)
    comics = open_comics(write_comics(tmp_path / "comics", 2, 3), panels=3)
    found = gaze.discover(vlm, comics, panels=3)
    prompts = panel_prompts(DISCOVERY_PROMPT, 3)
    expected = []
    for number, strip in enumerate(comics.strips):
        question = mapped_question(number, 3)
        inputs, layout = vlm.prepare(strip.load(), prompts[question or 0])
        grid = token_grid_of(layout)
        assert grid is not None
        rows = attention_rows(vlm.model, inputs)[..., layout.positions].numpy()
        drawn = [grid.drawn(head[grid.tokens]) for layer in rows for head in layer]
        expected.append([flooded_or_holey(cells) for cells in drawn])
    assert found.spatial is not None
    entropy = np.mean(expected, axis=0).reshape(found.spatial[0].shape)
    np.testing.assert_allclose(found.spatial[0], entropy, atol=1e-3)


def flooded_or_holey(cells: np.ndarray) -> float:
    if np.isnan(cells).any():
        return float(spatial_entropy(cells[None])[0])
    return flooded_entropy(cells.tolist())


@pytest.mark.parametrize("family", ["qwen2_vl", "internvl", "llava_next", "idefics3"])
def test_every_cell_of_a_token_grid_has_one_token_of_one_view(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    _, layout = vlm_of(family).prepare(noise_picture(300, 120, 3), "What?")
    grid = token_grid_of(layout)
    assert grid is not None
    cells = set(zip(grid.row.tolist(), grid.column.tolist(), strict=True))
    assert len(cells) == len(grid.tokens)
    assert len(cells) >= 0.9 * grid.rows * grid.columns
    boxes = layout.boxes.numpy()[grid.tokens]
    assert (np.diff(grid.column[np.argsort(boxes[:, 0], kind="stable")]) >= 0).all()


def test_a_head_set_made_before_says_which_scores_it_lacks(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    found = gaze.discover(vlm_of("qwen2_vl"), write_comics(tmp_path / "comics", 2, 3), panels=3)
    artifact = found.to_artifact()
    artifact.tensors.pop("spatial")  # type: ignore[attr-defined]
    artifact.tensors.pop("image_z")  # type: ignore[attr-defined]
    old = HeadSet.from_artifact(artifact, found.digest)
    assert old.top(2, "raw") == found.top(2, "raw")
    for score in ("image", "localization"):
        assert not old.has(score)
        with pytest.raises(HeadSetError, match=score) as refused:
            old.top(2, score)
        assert "--force" in str(refused.value.hint)
