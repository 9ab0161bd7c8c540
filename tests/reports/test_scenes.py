"""Attention on a page: bytes on a grid of cells lose no weight and stand where the image tokens are."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gazecli.reports.page.html import Section, page_of
from gazecli.reports.page.scenes import attention_data, grid_lines, picture_data, raster
from tests.reports.samples import scene

edges = st.lists(st.floats(-30, 130), min_size=2, max_size=2, unique=True).map(sorted)
boxes = st.lists(st.tuples(edges, edges), min_size=1, max_size=9)


@given(boxes, st.data())
def test_no_attention_is_lost_or_invented_on_the_grid(drawn: list[object], data: st.DataObject) -> None:
    found = np.array([[x[0], y[0], x[1], y[1]] for x, y in drawn])  # type: ignore[misc]
    inside = np.clip(found, 0, 100)
    attention = np.array([data.draw(st.lists(st.floats(0, 1), min_size=len(found), max_size=len(found)))])
    xs, ys = grid_lines(inside[:, [0, 2]], 100), grid_lines(inside[:, [1, 3]], 100)
    field = raster(attention, inside, xs, ys)
    area = np.diff(ys)[:, None] * np.diff(xs)[None]
    wide = ((inside[:, 2] - inside[:, 0]) > 0.2) & ((inside[:, 3] - inside[:, 1]) > 0.2)
    assert (field >= 0).all()
    if wide.all():
        np.testing.assert_allclose((field[0] * area).sum(), attention.sum(), rtol=1e-6, atol=1e-9)


@given(st.lists(st.floats(-50, 5000) | st.just(float("nan")), max_size=300), st.integers(1, 4000))
def test_a_grid_spans_the_picture_with_at_most_64_steps(values: list[float], length: int) -> None:
    lines = grid_lines(np.array(values), length)
    assert (lines[0], lines[-1]) == (0, length)
    assert (np.diff(lines) > 0).all()
    assert len(lines) <= 65


def test_each_token_has_a_byte_a_cell_and_a_byte_a_region() -> None:
    data = json.loads(json.dumps(attention_data(scene())))
    assert (data["xs"], data["ys"], data["regions"]) == ([0, 50, 100], [0, 100], [1, 2])
    plain, steered = (
        [base64.b64decode(text[name]) for name in ("cells", "shares")] for text in data["texts"]
    )
    assert [list(each) for each in plain] == [[255, 0, 64, 191, 0, 255]] * 2
    assert [list(each) for each in steered] == [[0, 255, 64, 191, 255, 0]] * 2


def test_the_data_of_a_hostile_scene_end_no_element() -> None:
    page = page_of("x", [Section("a", "A", scenes=[scene("</script><!--")])])
    data = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert [json.loads(each)["regions"] for each in data] == [[1, 2]]


def test_a_page_of_the_same_picture_is_the_same_page() -> None:
    assert picture_data(scene().picture.image) == picture_data(scene().picture.image)
    assert page_of("x", [Section("a", "A", scenes=[scene()])]) == page_of(
        "x", [Section("a", "A", scenes=[scene()])]
    )
