"""Six regions and the baseline in one batch beside seven single runs: 3 x faster where writing dominates.

The promise is about the written tokens, so the time of the first token is taken off both sides; the
other lines are whole runs, with the bias on all tokens (the recipe) and from the last prompt token on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.aiming import bias_towards
from benchmarks.stopwatch import Row, in_turns, show
from benchmarks.subject import model_of_50_million, strip_picture
from gazecli.models.biases import Scope
from gazecli.steering.generation import Limits, generate
from gazecli.steering.steer import STATIC_PROMPT

AT_LEAST = 3.0


def run(tokens: int = 32, rounds: int = 2) -> list[Row]:
    """Time one single run and the batch, to the first token and to the last, in turns."""
    with model_of_50_million() as vlm:
        picture = strip_picture()
        inputs, layout = vlm.prepare(picture, STATIC_PROMPT)
        targets = [None, *picture.regions]

        def writing(rows: int, most: int, scope: Scope) -> Callable[[], object]:
            bias = bias_towards(vlm, layout, targets if rows > 1 else targets[1:2], scope)
            return lambda: generate(vlm, inputs, layout, bias, rows, Limits(most, least=most))

        scopes: tuple[Scope, ...] = ("full", "answer")
        ways = {
            (rows, most, scope): writing(rows, most, scope)
            for rows in (1, len(targets))
            for most in (1, tokens)
            for scope in scopes
        }
        times = in_turns({repr(way): run for way, run in ways.items()}, rounds, warm=False)
        best = {way: min(times[repr(way)]) for way in ways}
    many = len(targets)
    single = best[1, tokens, "full"] - best[1, 1, "full"]
    batch = best[many, tokens, "full"] - best[many, 1, "full"]
    rows = [_row("their written tokens", many * single / batch, AT_LEAST)]
    rows += [
        _row(f"whole, --scope {scope}", many * best[1, tokens, scope] / best[many, tokens, scope], None)
        for scope in scopes
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
