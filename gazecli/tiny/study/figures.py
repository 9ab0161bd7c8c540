"""The figures and the table of the study, drawn from its logs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gazecli.reports.figures.style import (
    COLUMN,
    FAINT,
    GAZE,
    GRID,
    INK,
    LIGHT_TO_DARK,
    MARK,
    OTHER,
    PAGE,
    colour_bar,
    count_axis,
    new_figure,
    png_of,
    style,
)
from gazecli.tiny.study.arms import ARMS, Arm
from gazecli.tiny.study.hypotheses import HYPOTHESES, verdicts
from gazecli.tiny.study.observer import READ
from gazecli.tiny.study.runs import (
    BORN,
    FEWEST,
    Run,
    blinded,
    blinded_controls,
    exact,
    redirected,
    redirected_by_all,
    redirected_by_controls,
    told,
)

Value = Callable[[dict[str, Any]], float]
DPI = 110  # pages load at once
_LAYERS = ("#0072b2", "#009e73", "#e69f00", "#cc79a7")  # Okabe and Ito, first layer to last


def draw_figures(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every figure as PNG into `folder`; the same logs give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "births": birth_curves(runs),
        "maps": score_maps(runs),
        "redirection": redirection(runs),
        "blinding": blinding(runs),
        "layers": layer_order(runs),
    }
    written = []
    for name, figure in drawn.items():
        path = folder / f"study-{name}.png"
        path.write_bytes(png_of(figure, DPI))
        written.append(path)
    return written


def _arms(runs: Sequence[Run]) -> list[tuple[Arm, list[Run]]]:
    grouped = [(arm, [run for run in runs if run.arm == arm]) for arm in ARMS]
    return [(arm, own) for arm, own in grouped if own]


def birth_curves(runs: Sequence[Run]) -> Figure:
    """One panel an arm: raw scores of all heads of the first seed, in all seeds that of the third best head,
    and the answers about the panel asked about.
    """
    arms = _arms(runs)
    rows = (len(arms) + 2) // 3
    with style():
        figure = new_figure(PAGE, 2.0 * rows)
        places = figure.subplots(rows, 3, sharex=True, sharey=True, squeeze=False)
        for axes, (arm, own) in zip(places.flat, arms, strict=False):
            heads = own[0].scores().reshape(len(own[0].steps), -1)  # (M, L * H)
            axes.plot(own[0].steps, heads, color=GRID, linewidth=0.5)
            for run in own:
                ranked = np.sort(run.scores().reshape(len(run.steps), -1), axis=1)
                axes.plot(run.steps, ranked[:, -FEWEST], color=GAZE, linewidth=1.2)
                axes.plot(run.steps, run.curve(told), color=MARK, linewidth=1.0, linestyle=(0, (3, 1.5)))
            axes.axhline(BORN, color=FAINT, linewidth=0.5, linestyle=":")
            if arm.frozen not in (0.0, 1.0):
                axes.axvline(arm.frozen * own[0].steps[-1], color=INK, linewidth=0.6, linestyle=":")
            axes.set_title(arm.title, loc="left")
            axes.set_ylim(0, 1.02)
        for axes in places[-1]:
            axes.set_xlabel("step")
        for axes in places.flat[len(arms) - 3 : len(arms)]:  # above the place of the legend too
            axes.tick_params(labelbottom=True)
        for axes in places[:, 0]:
            axes.set_ylabel("score or share")
        spare = places.flat[len(arms) :]
        for axes in spare:
            axes.axis("off")
        _explain(spare[0] if len(spare) else places.flat[0])
    return figure


def _explain(axes: Axes) -> None:
    axes.plot([], [], color=GAZE, linewidth=1.2, label="third best head (each seed)")
    axes.plot([], [], color=GRID, linewidth=0.8, label="every head (first seed)")
    axes.plot([], [], color=MARK, linewidth=1.0, linestyle=(0, (3, 1.5)), label="answers about the panel")
    axes.legend(loc="center left")


def score_maps(runs: Sequence[Run]) -> Figure:
    """Raw scores of every head at the end, one map an arm, first seed."""
    arms = _arms(runs)
    with style():
        figure = new_figure(PAGE, 1.7)
        places = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
        for axes, (arm, own) in zip(places, arms, strict=True):
            scores = own[0].scores()[-1]
            shown = axes.imshow(scores, cmap=LIGHT_TO_DARK, vmin=0, vmax=1)
            axes.set_title(textwrap.fill(arm.title, 18), loc="left", fontsize=7)
            axes.spines[:].set_visible(True)
            count_axis(axes, "x", scores.shape[1], 0, "head")
            count_axis(axes, "y", scores.shape[0], 0, "")
        places[0].set_ylabel("layer")
        colour_bar(figure, shown, places, "raw score", shrink=0.8, pad=0.01)
    return figure


def redirection(runs: Sequence[Run]) -> Figure:
    """Redirection at the end of each arm: a dot a seed, a bar their mean."""
    arms = _arms(runs)
    kinds = (
        ("suggested heads", redirected, GAZE),
        ("random heads outside", redirected_by_controls, OTHER),
        ("all heads", redirected_by_all, MARK),
    )
    with style():
        figure = new_figure(PAGE, 2.4)
        axes = figure.subplots()
        for offset, (label, of, colour) in zip((-0.27, 0.0, 0.27), kinds, strict=True):
            for place, (_, own) in enumerate(arms):
                ends = [run.end(of) for run in own]
                shown = label if place == 0 else None
                axes.bar(place + offset, np.mean(ends), 0.24, color=colour, alpha=0.55, label=shown)
                spread = np.linspace(-0.06, 0.06, len(ends)) if len(ends) > 1 else [0.0]
                axes.plot(
                    place + offset + np.array(spread), ends, "o", color=INK, markersize=2.5, clip_on=False
                )
        axes.set_xticks(range(len(arms)), [textwrap.fill(arm.title, 20) for arm, _ in arms])
        axes.set_ylim(0, 1)
        axes.set_ylabel("answers about the target")
        axes.legend(loc="upper right", ncols=3, bbox_to_anchor=(1.0, 1.15))
    return figure


def blinding(runs: Sequence[Run]) -> Figure:
    """Answers about the right panel over training: nobody, controls or the suggested heads blinded."""
    bands: list[tuple[str, Value, str]] = [
        ("nobody blinded", told, INK),
        ("random heads blinded", blinded_controls, OTHER),
        ("suggested heads blinded", blinded, GAZE),
    ]
    return _over_training(runs, bands, "answers about the panel")


def layer_order(runs: Sequence[Run]) -> Figure:
    """The best raw score in each layer over training, in the arm that is trained throughout."""

    def best_of(layer: int) -> Value:
        return lambda record: float(max(record["raw"][layer]))

    layers = range(runs[0].scores().shape[1])
    bands = [(f"layer {layer}", best_of(layer), _LAYERS[layer % len(_LAYERS)]) for layer in layers]
    return _over_training(runs, bands, "best raw score of the layer", BORN)


def _over_training(
    runs: Sequence[Run], bands: Sequence[tuple[str, Value, str]], axis: str, mark: float | None = None
) -> Figure:
    """Label, value and colour of each band, in the arm that is trained throughout; a line at `mark`."""
    own = [run for run in runs if run.arm.name == "trained"]
    with style():
        figure = new_figure(COLUMN, 2.2)
        axes = figure.subplots()
        for label, of, colour in bands:
            _band(axes, own, of, colour, label)
        if mark is not None:
            axes.axhline(mark, color=FAINT, linewidth=0.5, linestyle=":")
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("step")
        axes.set_ylabel(axis)
        axes.legend(loc="upper left")
    return figure


def _band(axes: Axes, runs: Sequence[Run], of: Value, colour: str, label: str) -> None:
    """The mean of all seeds, and from the lowest to the highest."""
    curves = np.array([run.curve(of) for run in runs])
    axes.fill_between(runs[0].steps, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(runs[0].steps, curves.mean(0), color=colour, linewidth=1.2, label=label)


def tables(runs: Sequence[Run]) -> str:
    """Markdown: the births and the redirection in each arm, what probes read, and the hypotheses."""
    return "\n\n".join([_births(runs), _redirection(runs), _probes(runs), _verdicts(runs)])


def _births(runs: Sequence[Run]) -> str:
    rows = [
        "| arm | heads born at step | heads at the end | answers about the panel | exact answers |",
        "|---|---|---|---|---|",
    ]
    for arm, own in _arms(runs):
        births = ", ".join("never" if run.birth is None else str(run.birth) for run in own)
        heads = ", ".join(str(len(run.heads_at(run.steps[-1]))) for run in own)
        rows.append(f"| {arm.title} | {births} | {heads} | {_range(own, told)} | {_range(own, exact)} |")
    return "\n".join(rows)


def _redirection(runs: Sequence[Run]) -> str:
    rows = ["| arm | suggested heads | random heads outside | all heads |", "|---|---|---|---|"]
    for arm, own in _arms(runs):
        shares = [_range(own, of) for of in (redirected, redirected_by_controls, redirected_by_all)]
        rows.append(f"| {arm.title} | {' | '.join(shares)} |")
    return "\n".join(rows)


def _probes(runs: Sequence[Run]) -> str:
    rows = ["| arm | " + " | ".join(READ) + " |", "|---|" + "---|" * len(READ)]
    for arm, own in _arms(runs):
        cells = []
        for name in READ:
            before, after = (np.mean([run.measured[at]["probe"][name] for run in own]) for at in (0, -1))
            cells.append(f"{before:.2f} → {after:.2f}")
        rows.append(f"| {arm.title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _verdicts(runs: Sequence[Run]) -> str:
    rows = ["| expected | refuted if | came out |", "|---|---|---|"]
    for each in HYPOTHESES:
        found = list(verdicts(each, runs).values())
        held, told = sum(answer is True for answer in found), sum(answer is not None for answer in found)
        outcome = f"held with {held} of {told} seeds" if told else "cannot be told from these runs"
        rows.append(f"| {each.expected} | {each.refuted} | {outcome} |")
    return "\n".join(rows)


def _range(runs: Sequence[Run], of: Value) -> str:
    """The mean over seeds, and the lowest and the highest."""
    ends = [run.end(of) for run in runs]
    if len(ends) == 1:
        return f"{ends[0]:.2f}"
    return f"{np.mean(ends):.2f} ({min(ends):.2f} to {max(ends):.2f})"
