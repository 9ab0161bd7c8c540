"""Figures: all that have data are drawn, the same bytes each time, and what they show is what was given."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from gazecli.reports.figures import FIGURES, figures_of, scores
from gazecli.reports.figures import evaluation as evaluation_figures
from gazecli.reports.figures.style import inline_svg, png_of, svg_of
from gazecli.reports.figures.trajectory import trajectory_figure
from gazecli.reports.trajectory import Trajectory
from tests.reports.samples import condition, judged, report

HOSTILE = ["<script>alert(1)</script>", "$\\frac{1", "\x1b[31m", "--><b>", "日本", "", "\ud800"]


def trajectory(pieces: list[str], *, controls: bool = True) -> Trajectory:
    steps = np.linspace(0, 1, 2 * len(pieces), dtype=np.float32).reshape(-1, 2)
    others = 1 - steps if controls else None
    return Trajectory(steps, [1, 2], [(0, 1, 2)], pieces, others, [1])


def test_every_figure_of_a_full_report_is_drawn() -> None:
    assert list(figures_of(judged())) == list(FIGURES)


def test_figures_without_data_are_left_out() -> None:
    bare = report().model_copy(update={"evaluation": None, "histogram": None, "matrices": [], "layers": []})
    assert list(figures_of(bare)) == ["scores"]


@pytest.mark.parametrize("name", list(FIGURES))
def test_the_same_data_give_the_same_bytes(name: str) -> None:
    draw, _ = FIGURES[name]
    first, second = draw(judged()), draw(judged())
    assert first is not None
    assert second is not None
    # In another order, so that what was saved before leaves no trace.
    svg, png = svg_of(first), png_of(first)
    assert (png_of(second), svg_of(second)) == (png, svg)
    assert not re.search(r"\d{4}-\d\d-\d\dT|Matplotlib v", svg)
    ElementTree.fromstring(svg)
    with Image.open(io.BytesIO(png)) as image:
        assert image.info.keys() <= {"dpi"}


def test_inline_figures_carry_no_foreign_names_and_share_no_ids() -> None:
    drawn = [inline_svg(figure, name, told) for name, (figure, told) in figures_of(judged()).items()]
    ids = [identifier for each in drawn for identifier in re.findall(r'\bid="([^"]+)"', each)]
    assert len(ids) == len(set(ids))
    for each in drawn:
        assert each.startswith('<svg role="img" aria-label="')
        assert "http" not in each
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', each)) <= {
            pair for identifier in ids for pair in ((identifier, ""), ("", identifier))
        }


def test_nobody_judged_means_no_accuracy_is_drawn() -> None:
    document = report()
    assert document.evaluation is not None
    evaluation = document.evaluation.model_copy(update={"conditions": [], "sweep": []})
    names = list(figures_of(document.model_copy(update={"evaluation": evaluation})))
    assert not {"redirection", "regions", "sweep"} & set(names)


def test_the_score_map_frames_the_suggested_heads() -> None:
    document = report()
    axes = scores.score_map(document).axes[0]
    framed = {(round(patch.get_y() + 0.5), round(patch.get_x() + 0.5)) for patch in axes.patches}  # type: ignore[attr-defined]
    assert framed == {(head.layer, head.head) for head in document.heads[: document.suggested.top]}
    grid = np.asarray(axes.images[0].get_array())
    assert grid[document.heads[0].layer, document.heads[0].head] == document.heads[0].raw
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("head", "layer")


def test_matrices_name_panels_from_one() -> None:
    figure = scores.matrices(report())
    assert figure is not None
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]
    assert axes.get_title() == "layer 0 head 0"


def test_draws_of_random_heads_share_a_bar_with_a_dot_each() -> None:
    document = report()
    assert document.evaluation is not None
    conditions = [condition("gaze", 0.75), *(condition("control", 0.25 * seed, seed) for seed in range(3))]
    evaluation = document.evaluation.model_copy(update={"conditions": conditions})
    figure = evaluation_figures.redirection(document.model_copy(update={"evaluation": evaluation}))
    assert figure is not None
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "gaze heads, top 2",
        "controls, 3 draws",
    ]
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]  # type: ignore[attr-defined]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[0.0, 0.25, 0.5]]  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [1, 7, 300])
def test_staircases_of_any_length_hold_the_shares_as_they_are(length: int) -> None:
    given = trajectory((HOSTILE * length)[:length])
    figure = trajectory_figure(given)
    gaze, control = figure.axes[:2]
    np.testing.assert_array_equal(np.asarray(gaze.images[0].get_array()).T, given.steps)
    assert given.controls is not None
    np.testing.assert_allclose(np.asarray(control.images[0].get_array()).T, given.controls, atol=1e-6)
    assert [label.get_text() for label in gaze.get_yticklabels()] == ["1", "2"]
    ElementTree.fromstring(svg_of(figure))


def test_no_written_token_changes_what_a_staircase_is_made_of() -> None:
    drawn = svg_of(trajectory_figure(trajectory(HOSTILE, controls=False)))
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
    assert "script" not in tags
    assert "b" not in tags
