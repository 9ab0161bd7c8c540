"""Heatmaps and trajectories: the weight lands where the boxes are, and nothing else is invented."""

from __future__ import annotations

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gazecli.reports.heatmap import LONGEST_SIDE, AttentionMap, Heatmap, density, half_of
from gazecli.reports.trajectory import Trajectory, trajectory_csv

HALVES = np.array([[0, 0, 30, 20], [30, 0, 60, 20], [np.nan] * 4])


def test_weight_is_spread_over_its_box_and_kept() -> None:
    field = density(np.array([1.0, 3.0, 9.0]), HALVES, (60, 20))
    assert field.shape == (20, 60)
    np.testing.assert_allclose(field[:, :30].sum(), 1.0)
    np.testing.assert_allclose(field[:, 30:].sum(), 3.0)


@given(st.lists(st.floats(-40, 90), min_size=4, max_size=4))
def test_boxes_may_stick_out_or_be_thinner_than_a_pixel(box: list[float]) -> None:
    x0, x1 = sorted(box[:2])
    y0, y1 = sorted(box[2:])
    field = density(np.ones(1), np.array([[x0, y0, x1, y1]]), (60, 20))
    assert np.isfinite(field).all()
    assert field.sum() <= 1 + 1e-9


def test_the_watched_half_keeps_its_colours_and_the_rest_fades() -> None:
    plain = Image.new("RGB", (60, 20), (40, 80, 160))
    maps = [AttentionMap(np.array([0.0, 1.0, 0.0]), "right\x1b[31m \u202e")]
    sheet = Heatmap(plain, HALVES, maps).drawn()
    picture = np.asarray(sheet)[34:54, 8:68]
    assert tuple(picture[10, 45]) == (40, 80, 160)
    faded = picture[10, 15].astype(int)
    assert faded.min() > 200
    assert np.ptp(faded) <= 1


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_outlined_part_holds_half_of_the_attention_and_no_smaller_one_does(weights: list[float]) -> None:
    field = np.array([weights, [0.25, 0.5, 0.0]])
    inside = half_of(field)
    assert field[inside].sum() >= field.sum() / 2 - 1e-9
    assert field[field > field[inside].min()].sum() < field.sum() / 2


def test_no_attention_has_no_outline() -> None:
    assert not half_of(np.zeros((2, 2))).any()


def test_no_attention_at_all_is_no_error() -> None:
    sheet = Heatmap(Image.new("RGB", (5000, 10)), HALVES, [AttentionMap(np.zeros(3), "")] * 3).drawn()
    assert sheet.width <= LONGEST_SIDE + 16


def trajectory(pieces: list[str]) -> Trajectory:
    steps = np.linspace(0, 1, 2 * len(pieces), dtype=np.float32).reshape(-1, 2)
    return Trajectory(steps, [1, 2], [(0, 1, 2), (1, len(pieces), 1)], pieces)


def test_a_line_of_csv_a_token_that_no_spreadsheet_runs() -> None:
    rows = list(csv.reader(io.StringIO(trajectory_csv(trajectory(["=1+1", " @x", 'a,"b"\n', "\x1b[0m"])))))
    assert rows[0] == ["token", "target", "text", "region_1", "region_2"]
    assert [row[2] for row in rows[1:]] == ["'=1+1", "' @x", 'a,"b"\\n', "\\x1b[0m"]
    assert [row[1] for row in rows[1:]] == ["2", "1", "1", "1"]


def test_trajectories_of_any_length_are_drawn() -> None:
    for length in (1, 3, 500):
        assert trajectory(["x"] * length)
