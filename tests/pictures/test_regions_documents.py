"""Regions written in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazecli.errors import RegionError
from gazecli.pictures.region_specs import read_regions
from tests.pictures.refusals import check_hint


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_boxes_and_labelled_boxes_are_numbered_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", [[0, 0, 10, 10], {"box": [10, 0, 20.5, 10], "label": "cat"}])
    first, second = read_regions(path, 100, 50)
    assert (first.number, first.box, first.label) == (1, (0, 0, 10, 10), None)
    assert (second.number, second.box, second.label) == (2, (10, 0, 20.5, 10), "cat")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        "[" * 100_000,
        "[[0,0,NaN,1]]",
        "[[0,0,1e999,1]]",
        "[[0,0,1" + "0" * 400 + ",1]]",
        [],
        {},
        3,
        [3],
        [[1, 2, 3]],
        [[0, 0, 10, "10"]],
        [[0, 0, 10, True]],
        [[10, 0, 0, 10]],
        [[0, 0, 0, 10]],
        [[0, 0, 101, 10]],
        [{"box": [0, 0, 10, 10], "label": 3}],
        [{"label": "cat"}],
        [[0, 0, 10, 10]] * 10_001,
    ],
)
def test_everything_else_is_refused_with_a_hint(tmp_path: Path, content: object) -> None:
    with pytest.raises(RegionError) as caught:
        read_regions(write(tmp_path / "r.json", content), 100, 50)
    assert caught.value.hint
    assert "r.json" in (caught.value.subject or "")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match="cannot be read"):
        read_regions(tmp_path / "none.json", 100, 50)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["box", "label"]), inner),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=anything)
def test_any_json_gives_regions_or_a_region_error(tmp_path: Path, content: object) -> None:
    try:
        regions = read_regions(write(tmp_path / "r.json", content), 100, 50)
    except RegionError as error:
        check_hint(error)
    else:
        assert all(0 <= r.box[0] < r.box[2] <= 100 and 0 <= r.box[1] < r.box[3] <= 50 for r in regions)
