"""Figures of an evaluation: accuracy by condition, by region, by selector, and over the number of heads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gazecli.reports.documents.evaluation import ConditionPart, EvaluationPart
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.figures.style import COLUMN, GAZE, INK, MARK, OTHER, new_figure, style
from gazecli.reports.tables import condition_label


def redirection(document: ReportDocument) -> Figure | None:
    """A bar a condition with its 95 % interval; draws of random heads share a bar, a dot a draw."""
    evaluation = document.evaluation
    if evaluation is None or not evaluation.conditions:
        return None
    groups = by_name(evaluation.conditions)
    with style():
        figure = new_figure(COLUMN, 0.85 + 0.26 * len(groups))
        axes = figure.subplots()
        for row, (name, draws) in enumerate(groups.items()):
            _bar(axes, row, name, draws)
        axes.set_yticks(range(len(groups)), [named(name, draws) for name, draws in groups.items()])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.2)  # room for the number behind a bar that ends at 1
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.spines["bottom"].set_bounds(0, 1)
        # Below the whole figure: beside long names of conditions it would not fit below the bars.
        figure.supxlabel(_measured(evaluation), fontsize=8)
        chance(axes, evaluation.chance, "x")
    return figure


def regions(document: ReportDocument) -> Figure | None:
    """Accuracy of each region number: gaze heads and the mean of the controls; None for a single region."""
    evaluation = document.evaluation
    if evaluation is None:
        return None
    groups = by_name(evaluation.conditions)
    lines = {name: _per_region(groups[name]) for name in ("gaze", "control") if name in groups}
    if min(map(len, lines.values()), default=0) < 2:
        return None
    with style():
        figure = new_figure(COLUMN, 2.3)
        axes = figure.subplots()
        for name, shares in lines.items():
            places = range(1, len(shares) + 1)
            _line(axes, places, shares, named(name, groups[name]), gaze=name == "gaze")
        chance(axes, evaluation.chance, "y")
        _accuracy_axis(axes, "accuracy")
        axes.set_xticks(range(1, len(next(iter(lines.values()))) + 1))
        axes.set_xlabel("panel")
        figure.legend(loc="outside upper center", ncols=2, columnspacing=1.2)
    return figure


def sweep(document: ReportDocument) -> Figure | None:
    """Accuracy over the number of heads with 95 % intervals; the number that was chosen is marked."""
    evaluation = document.evaluation
    if evaluation is None or not evaluation.sweep:
        return None
    choice = evaluation.choice
    # One line a figure: where several scores were tried, the one that was chosen.
    steps = [step for step in evaluation.sweep if choice is None or step.score in (None, choice.score)]
    strengths = any(step.strength is not None for step in steps)
    with style():
        figure = new_figure(COLUMN, 2.3)
        axes = figure.subplots()
        ks = [step.strength or 0.0 if strengths else step.k for step in steps]
        _band(axes, ks, [step.gaze_ci95 for step in steps], GAZE)
        _line(axes, ks, [step.gaze for step in steps], "gaze heads", gaze=True)
        controls: dict[float, float] = {
            k: step.control for k, step in zip(ks, steps, strict=True) if step.control is not None
        }
        if controls:
            _band(axes, ks, [step.control_ci95 for step in steps], INK)
            _line(axes, list(controls), list(controls.values()), "as many others", gaze=False)
        if choice is not None:
            k = choice.strength if strengths and choice.strength is not None else choice.k
            axes.axvline(k, color=MARK, linewidth=1, zorder=0, label=f"chosen, {k:g}")
        chance(axes, evaluation.chance, "y")
        _accuracy_axis(axes, "accuracy on the choosing half")
        _k_axis(axes, ks, "strength" if strengths else "K, heads steered")
        figure.legend(loc="outside upper center", ncols=2, columnspacing=1.2)
    return figure


def selectors(document: ReportDocument) -> Figure | None:
    """A bar a selector with its 95 % interval; None where they were not steered."""
    comparison = document.comparison
    steered = [each for each in comparison.selectors if each.accuracy is not None] if comparison else []
    if comparison is None or not steered:
        return None
    with style():
        figure = new_figure(COLUMN, 0.75 + 0.3 * len(steered))
        axes = figure.subplots()
        for row, each in enumerate(steered):
            share = each.accuracy or 0.0
            axes.barh(row, share, height=0.62, color=GAZE)
            if each.ci95 is not None:
                _interval(axes, row, share, each.ci95)
        axes.set_yticks(range(len(steered)), [each.score for each in steered])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        figure.supxlabel(f"redirection accuracy, 95 % intervals, top {comparison.k}", fontsize=8)
        if document.evaluation is not None:
            chance(axes, document.evaluation.chance, "x")
    return figure


def by_name(conditions: Sequence[ConditionPart]) -> dict[str, list[ConditionPart]]:
    """Conditions of one name together, in their order."""
    groups: dict[str, list[ConditionPart]] = {}
    for condition in conditions:
        groups.setdefault(condition.name, []).append(condition)
    return groups


def named(name: str, draws: Sequence[ConditionPart]) -> str:
    """`gaze heads, top 5`, `controls, 5 draws`."""
    return condition_label(name, draws[0].k, draws=len(draws))


def chance(axes: Axes, share: float, which: str) -> None:
    """A dotted line where guessing would be."""
    line = axes.axvline if which == "x" else axes.axhline
    line(share, color=INK, linewidth=0.8, linestyle=":", label="chance" if which == "y" else None)
    if which == "x":
        axes.annotate(
            "chance",
            (share, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )


def _bar(axes: Axes, row: int, name: str, draws: Sequence[ConditionPart]) -> None:
    shares = [draw.accuracy for draw in draws]
    mean = float(np.mean(shares))
    axes.barh(row, mean, height=0.62, color=GAZE if name == "gaze" else OTHER)
    if len(draws) > 1:
        places = np.full(len(shares), row)
        axes.plot(shares, places, "o", color=INK, markersize=3, markerfacecolor="white", clip_on=False)
        highest = max(shares)
    else:
        _interval(axes, row, mean, draws[0].ci95)
        highest = max(mean, draws[0].ci95[1])
    axes.annotate(
        f"{mean:.2f}", (highest, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7
    )


def _interval(axes: Axes, row: int, share: float, ends: tuple[float, float]) -> None:
    error = [[max(share - ends[0], 0.0)], [max(ends[1] - share, 0.0)]]
    axes.errorbar(share, row, xerr=error, color=INK, linewidth=1, capsize=2.5, clip_on=False)


def _line(axes: Axes, places: Sequence[float], shares: Sequence[float], label: str, *, gaze: bool) -> None:
    axes.plot(
        places,
        shares,
        "o-" if gaze else "s--",
        color=GAZE if gaze else INK,
        markersize=4,
        linewidth=1.4,
        markerfacecolor=GAZE if gaze else "white",
        label=label,
        clip_on=False,  # markers at 0 and 1 are shown whole
        zorder=3,
    )


def _band(
    axes: Axes, ks: Sequence[float], intervals: Sequence[tuple[float, float] | None], colour: str
) -> None:
    known = [(k, *interval) for k, interval in zip(ks, intervals, strict=True) if interval is not None]
    if known:
        axes.fill_between(*zip(*known, strict=True), color=colour, alpha=0.18, linewidth=0)  # type: ignore[arg-type]


def _k_axis(axes: Axes, ks: Sequence[float], label: str) -> None:
    if max(ks) > 10 * min(ks) > 0:
        axes.set_xscale("log")
        axes.minorticks_off()
        label = f"{label} (log scale)"
    shown = [k for place, k in enumerate(ks) if len(ks) <= 9 or place % 2 == 0 or place == len(ks) - 1]
    axes.set_xticks(shown, [f"{k:g}" for k in shown])
    axes.set_xlabel(label)


def _accuracy_axis(axes: Axes, label: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(axis="y")
    axes.set_ylabel(label)


def _per_region(draws: Sequence[ConditionPart]) -> list[float]:
    table = np.array([draw.per_region for draw in draws], dtype=float)  # None becomes NaN
    known = np.isfinite(table).sum(0)
    mean: list[float] = np.where(known, np.nansum(table, 0) / np.maximum(known, 1), np.nan).tolist()
    return mean


def _measured(evaluation: EvaluationPart) -> str:
    what = "segments about the scheduled panel" if evaluation.task == "dynamic" else "redirection accuracy"
    return f"{what}, 95 % intervals\n({evaluation.task}, {evaluation.strips} pictures)"
