"""Charts of a report as SVG text: score map, matrices, bars with intervals, accuracy over K.

Colours go from light to dark, so that they read in grey. Every text is escaped. Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from gazecli.plain_text import visible
from gazecli.reports.evaluation_parts import ConditionPart, SweepPart

_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)
_GAZE, _OTHER, _MARK = "#08306b", "#d55e00", "#e69f00"


def clean(text: object) -> str:
    """Text for HTML and SVG, attributes included."""
    return escape(visible(str(text)), quote=True)


def score_map(scores: Sequence[Sequence[float]], marked: Collection[tuple[int, int]], title: str) -> str:
    """Layers x heads, darkest where the score is highest; `marked` heads are framed."""
    layers, heads = len(scores), max(map(len, scores))
    size = max(5, min(22, 900 // max(heads, layers)))
    highest = max((value for row in scores for value in row), default=0.0) or 1.0
    left, top = 52, 28
    parts = []
    for layer, row in enumerate(scores):
        y = top + layer * size
        if layer % max(1, 14 // size + 1) == 0:
            parts.append(_text(left - 6, y + size * 0.75, str(layer), "end"))
        for head, value in enumerate(row):
            frame = f' stroke="{_MARK}" stroke-width="2"' if (layer, head) in marked else ""
            told = f"layer {layer} head {head}: {value:.3f}"
            parts.append(_cell(left + head * size, y, size, value / highest, told, frame))
    step = max(1, 28 // size)
    parts += [
        _text(left + (head + 0.5) * size, top - 8, str(head), "middle") for head in range(0, heads, step)
    ]
    parts.append(_text(4, 14, "layer \u2193 head \u2192", "start"))
    return _svg(left + heads * size + 8, top + layers * size + 8, title, parts)


def matrix_map(matrix: Sequence[Sequence[float]], title: str) -> str:
    """Panel asked about (rows) x panel looked at (columns)."""
    panels, size, edge = len(matrix), 20, 18
    highest = max((value for row in matrix for value in row), default=0.0) or 1.0
    parts = [_text(edge + (k + 0.5) * size, 12, str(k + 1), "middle") for k in range(panels)]
    for k, row in enumerate(matrix):
        parts.append(_text(edge - 5, edge + (k + 0.7) * size, str(k + 1), "end"))
        for j, value in enumerate(row):
            told = f"asked about {k + 1}, looks at {j + 1}: {value:.3f}"
            parts.append(_cell(edge + j * size, edge + k * size, size, value / highest, told, ""))
    return _svg(edge + panels * size + 4, edge + panels * size + 4, title, parts)


def accuracy_bars(conditions: Sequence[ConditionPart], chance: float, title: str) -> str:
    """A bar a condition with its 95 % interval; the dashed line is chance."""
    left, across, row = 150, 460, 26
    parts = []
    for place, condition in enumerate(conditions):
        y, colour = 10 + place * row, _GAZE if condition.name == "gaze" else _OTHER
        low, high = (left + across * edge for edge in condition.ci95)
        middle = y + row / 2 - 3
        told = f"{condition_label(condition)}: {condition.accuracy:.3f}"
        parts += [
            _text(left - 8, middle + 4, condition_label(condition), "end"),
            f'<rect x="{left}" y="{y}" width="{across * condition.accuracy:.1f}" height="{row - 7}" '
            f'fill="{colour}" fill-opacity="0.55"><title>{clean(told)}</title></rect>',
            f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 4:.1f}v8M{high:.1f} '
            f'{middle - 4:.1f}v8" stroke="#222" fill="none"/>',
            _text(left + across + 10, middle + 4, f"{condition.accuracy:.3f}", "start"),
        ]
    bottom = 10 + row * len(conditions)
    line = left + across * chance
    parts.append(f'<path d="M{line:.1f} 6V{bottom}" stroke="#222" stroke-dasharray="4 3"/>')
    parts.append(_text(line, bottom + 14, "chance", "middle"))
    return _svg(left + across + 64, bottom + 22, title, parts)


def sweep_chart(sweep: Sequence[SweepPart], title: str) -> str:
    """Accuracy over K, steps of equal width: gaze heads as a line, others dashed."""
    left, step, height = 44, max(28, min(60, 560 // max(1, len(sweep)))), 200
    right = left + step * max(1, len(sweep))

    def point(place: int, share: float) -> str:
        return f"{left + (place + 0.5) * step:.1f} {10 + height * (1 - share):.1f}"

    gaze = [point(place, rung.gaze) for place, rung in enumerate(sweep)]
    others = [point(place, rung.control) for place, rung in enumerate(sweep) if rung.control is not None]
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = 10 + height * (1 - tick)
        parts.append(f'<path d="M{left} {y}H{right}" stroke="#ddd"/>')
        parts.append(_text(left - 6, y + 4, f"{tick:.2f}", "end"))
    parts += [
        _text(left + (place + 0.5) * step, height + 26, str(rung.k), "middle")
        for place, rung in enumerate(sweep)
    ]
    for points, colour, dashes in ((gaze, _GAZE, ""), (others, _OTHER, ' stroke-dasharray="5 4"')):
        if points:
            parts.append(
                f'<path d="M{"L".join(points)}" stroke="{colour}" stroke-width="2.5" fill="none"{dashes}/>'
            )
    parts.append(_text(left, height + 44, "K: gaze heads (line), others (dashed)", "start"))
    return _svg(right + 8, height + 52, title, parts)


def condition_label(condition: ConditionPart) -> str:
    """`gaze, top 5`, `control 2`, `all heads`, `unsteered`."""
    if condition.name == "control":
        return f"control {condition.seed}"
    return {"gaze": f"gaze, top {condition.k}", "all": "all heads"}.get(condition.name, condition.name)


def _cell(x: float, y: float, size: int, share: float, told: str, frame: str) -> str:
    colour = "#" + "".join(
        f"{round(light + (dark - light) * min(max(share, 0.0), 1.0)):02x}"
        for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
    edge = size - 1
    return (
        f'<rect x="{x}" y="{y}" width="{edge}" height="{edge}" fill="{colour}"{frame}>'
        f"<title>{clean(told)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{clean(text)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    label = clean(title)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}">{"".join(parts)}</svg>'
    )
