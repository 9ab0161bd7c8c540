"""Figures: all that have data are drawn, the same bytes each time, and what they show is what was given."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gazecli.reports.figures import FIGURES, figures_of, scores
from gazecli.reports.figures import evaluation as evaluation_figures
from gazecli.reports.figures.heatmap import heatmap_figure
from gazecli.reports.figures.style import inline_svg, pdf_of, png_of, svg_of
from gazecli.reports.figures.trajectory import trajectory_figure
from gazecli.reports.heatmap import AttentionMap, Heatmap
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
    svg, png, pdf = svg_of(first), png_of(first), pdf_of(first)
    assert (pdf_of(second), png_of(second), svg_of(second)) == (pdf, png, svg)
    assert not re.search(r"\d{4}-\d\d-\d\dT|Matplotlib v", svg)
    assert not re.search(rb"CreationDate|Creator|Producer|D:\d{8}", pdf)
    ElementTree.fromstring(svg)
    with Image.open(io.BytesIO(png)) as image:
        assert image.info.keys() <= {"dpi"}


def drawn_of(task: str) -> list[tuple[str, Figure]]:
    return [(name, figure) for name, (figure, _) in figures_of(judged(task=task)).items()]


@pytest.mark.parametrize("task", ["static", "dynamic"])
def test_no_text_and_no_legend_is_cut(task: str) -> None:
    cut = []
    for name, figure in drawn_of(task):
        figure.draw_without_rendering()
        whole = figure.bbox.padded(1)
        names = [each for each in (figure._supxlabel, figure._supylabel) if each is not None]  # type: ignore[attr-defined]
        drawn = [*figure.texts, *names, *figure.legends]
        boxes = [(str(each), each.get_window_extent()) for each in drawn]
        boxes += [(str(axes), axes.get_tightbbox()) for axes in figure.axes if axes.axison]
        cut += [
            (name, told)
            for told, box in boxes
            if not (whole.x0 <= box.x0 <= box.x1 <= whole.x1 and whole.y0 <= box.y0 <= box.y1 <= whole.y1)
        ]
    assert cut == []


def test_markers_at_0_and_1_are_whole() -> None:
    sliced = [
        (name, line.get_label())
        for name, figure in drawn_of("static")
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in ("None", None, "") and line.get_clip_on()
        if {0.0, 1.0} & {*np.ravel(axes.get_ylim()), *np.ravel(axes.get_xlim())}
        if name in ("redirection", "regions", "selectors", "sweep")
    ]
    assert sliced == []


def test_a_scale_that_is_not_linear_says_so() -> None:
    drawn = [(name, axes) for name, figure in drawn_of("static") for axes in figure.axes]
    told = {
        name: (axes.get_xlabel(), axes.get_ylabel())
        for name, axes in drawn
        if {axes.get_xscale(), axes.get_yscale()} != {"linear"}
    }
    assert "histogram" in told
    assert [name for name, labels in told.items() if "log scale" not in " ".join(labels)] == []


def test_text_stays_text_in_svg_and_pdf() -> None:
    figure = scores.score_map(report())
    written = ElementTree.fromstring(svg_of(figure))
    words = {"".join(each.itertext()).strip() for each in written.iter() if each.tag.endswith("}text")}
    assert {"layer", "head", "raw score"} <= words
    assert b"/Subtype /Type3" not in pdf_of(figure)
    assert b"/FontFile2" in pdf_of(figure)


def test_a_heatmap_as_figure_has_a_caption_and_a_frame_for_each_panel() -> None:
    picture, boxes = Image.new("RGB", (60, 20), (40, 80, 160)), np.array([[0, 0, 30, 20], [30, 0, 60, 20]])
    maps = [
        AttentionMap(np.array([1.0, 0.0]), "unsteered: $x^2$ " + "a long caption " * 20),
        AttentionMap(np.array([0.0, 1.0]), "region 2: \x1b[31m", (30, 0, 60, 20)),
    ]
    figure = heatmap_figure(Heatmap(picture, boxes, maps))
    assert [len(axes.patches) for axes in figure.axes] == [0, 1]
    lit = np.asarray(figure.axes[1].images[0].get_array())
    assert tuple(lit[10, 45]) == (40, 80, 160)
    figure.draw_without_rendering()
    assert all(figure.bbox.padded(1).containsx(text.get_window_extent().x1) for text in figure.texts)
    written = svg_of(figure)
    assert "$x^2$" in written
    assert "\x1b" not in written
    assert pdf_of(figure) == pdf_of(heatmap_figure(Heatmap(picture, boxes, maps)))


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
