"""Six regions and the baseline in one batch beside seven single runs: 3 x faster where writing dominates.

The promise is about the written tokens: the steps between the first token and the last, their medians. The
other lines are whole runs, with the bias on all tokens (the recipe) and from the last prompt token on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

from benchmarks.stopwatch import Row, in_turns, show
from benchmarks.subject import bias_towards, model_of_50_million, strip_picture
from gazecli.models.attention.modes import Scope
from gazecli.models.inference.generate import Limits, generate
from gazecli.steering.settings import STATIC_PROMPT

AT_LEAST = 3.0


def run(tokens: int = 32, rounds: int = 2) -> list[Row]:
    """Time one single run and the batch, step by step, in turns."""
    steps: dict[int, list[float]] = {}
    with model_of_50_million() as vlm:
        picture = strip_picture()
        inputs, layout = vlm.prepare(picture, STATIC_PROMPT)
        targets = [None, *picture.regions]

        def writing(rows: int, scope: Scope) -> Callable[[], object]:
            bias = bias_towards(vlm, layout, targets if rows > 1 else targets[1:2], scope)

            def write() -> None:
                moments: list[float] = []
                generate(
                    vlm,
                    inputs,
                    layout,
                    bias,
                    rows,
                    Limits(tokens, least=tokens),
                    on_token=lambda *_: moments.append(time.perf_counter()),
                )
                if scope == "full":
                    steps.setdefault(rows, []).extend(after - before for before, after in pairwise(moments))

            return write

        many = len(targets)
        scopes: tuple[Scope, ...] = ("full", "answer")
        ways = {(rows, scope): writing(rows, scope) for rows in (1, many) for scope in scopes}
        times = in_turns({repr(way): run for way, run in ways.items()}, rounds, warm=False)
    best = {way: min(times[repr(way)]) for way in ways}
    rows = [_row("their written tokens", many * median(steps[1]) / median(steps[many]), AT_LEAST)]
    rows += [
        _row(f"whole, --scope {scope}", many * best[1, scope] / best[many, scope], None) for scope in scopes
    ]
    return rows


def _row(what: str, faster: float, promise: float | None) -> Row:
    return Row(
        f"6 regions and the baseline: {what}",
        "7 single runs",
        f"≥ {promise:g} x faster" if promise else "",
        f"{faster:.1f} x",
        faster >= promise if promise else None,
    )


if __name__ == "__main__":
    sys.exit(not show(run()))
