"""What goes into a paper: heads shared with another head set beside chance, LaTeX, the methods paragraph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from gazecli.heads.headset import Head
from gazecli.heads.shared_heads import chance_of_shared, rank_correlation
from gazecli.reports.latex import escaped, report_latex
from gazecli.reports.methods import methods_text
from tests.reports.samples import condition
from tests.reports.test_pages import report


def test_layer_matched_chance_is_what_counting_every_draw_gives() -> None:
    first = [Head(0, 0), Head(0, 1), Head(1, 0)]
    second = [Head(0, 2), Head(0, 3), Head(1, 3)]
    draws = [
        len({*first} & {Head(0, a), Head(0, b), Head(1, c)})
        for a, b in itertools.combinations(range(4), 2)
        for c in range(4)
    ]
    counted = [draws.count(shared) / len(draws) for shared in range(4)]
    assert chance_of_shared(first, second, 4) == pytest.approx(counted)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=20))
def test_the_rank_correlation_is_scipys_also_with_equal_scores(values: list[int]) -> None:
    one = np.array(values, float)
    other = one[::-1] * 2 + np.arange(len(one)) % 3
    found = rank_correlation(one, other)
    if len(set(values)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50 % & more_of #1", r"50 \% \& more\_of \#1"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a--b", "a-{}-{}b"),
        ("élan", r"\'{e}lan"),
        ("中", "U+4E2D"),
    ],
)
def test_latex_shows_foreign_text_instead_of_obeying_it(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(max_size=40))
def test_latex_of_any_text_is_ascii_with_balanced_braces(text: str) -> None:
    spelled = escaped(text)
    assert spelled.isascii()
    bare = spelled.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")


def test_a_latex_report_has_every_table_and_the_methods() -> None:
    document = report()
    text = report_latex(document)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") >= 3
    assert r"{}gaze heads & 2 & 0.750 & 0.375--0.875 & 1 & 2 & 3 & -- & 8 \\" in text
    assert r"\paragraph{Methods.}" in text
    assert text.isascii()


def test_the_methods_paragraph_says_what_a_reviewer_asks() -> None:
    methods = methods_text(report())
    for said in ("tiny", "2 pictures", "bootstrap", "Chance is", "0.750", "Software: gaze"):
        assert said in methods, (said, methods)


def test_the_methods_paragraph_names_no_number_format_that_nobody_knows() -> None:
    document = report()
    assert "attention heads, float32, weights" in methods_text(document)
    unknown = document.model_copy(update={"model": document.model.model_copy(update={"dtype": "unknown"})})
    assert "attention heads, weights" in methods_text(unknown)


def test_the_methods_paragraph_says_by_which_protocol_and_against_how_many_controls() -> None:
    document = report()
    assert "protocol" not in methods_text(document)
    assert "p value" not in methods_text(document)
    [evaluation] = document.evaluations
    controls = [condition(name, 0.25, seed) for name in ("control", "low_control") for seed in (0, 1, 2)]
    evaluation = evaluation.model_copy(
        update={
            "settings": evaluation.settings.model_copy(update={"protocol": "paper", "strength": 10_000.0}),
            "conditions": [condition("gaze", 0.75), *controls, condition("unsteered", 0.0)],
            "p_value": 0.25,
        }
    )
    methods = methods_text(document.model_copy(update={"evaluations": [evaluation]}))
    for said in (
        "by the paper protocol of Gandikota and Bau 2026 (arXiv 2606.14703)",
        "\u00b110000 (the strength; mode boost-suppress",
        "three draws of as many other heads, from the same layers",
        "three draws of as many heads from those with the lowest scores",
        "controls 0.250 to 0.250",
        "The add-one p value, (1 + controls at least as good) / (controls + 1) with three controls, is 0.25",
    ):
        assert said in methods, (said, methods)
