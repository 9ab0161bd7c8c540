"""A served text beside a plain one: the first word after a new aim, tokens a second, eight clients and one.

The engine alone is measured, as HTTP costs the same for every model.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from statistics import median
from typing import Any

from benchmarks.stopwatch import Row, in_turns, ratio, show
from benchmarks.subject import model_of_50_million, one_head_a_layer, strip_picture
from gazecli.errors import GazeError
from gazecli.models.inference.generate import ByToken, Limits, completed
from gazecli.serving.engine import Engine, Text
from gazecli.serving.sessions import Aim, FollowedAim
from gazecli.steering.settings import SteerSettings
from gazecli.steering.switch import narrate_by_token

TOKENS = 24
CLIENTS = 8
AIM_WITHIN, SERVED_WITHIN, MANY_WITHIN = 2.0, 1.05, 1.05


class _Reader:
    """A listener that notes when each token came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.over = threading.Event()

    def placed(self, place: int) -> None:
        """Nothing is noted."""

    def wrote(self, _step: int, _written: list[list[int]]) -> bool:
        """A token came."""
        self.times.append(time.perf_counter())
        return False

    def ended(self, _result: Any) -> None:
        """The text is whole."""
        self.over.set()

    def failed(self, error: GazeError) -> None:
        """It ended otherwise."""
        raise error


def run(rounds: int = 2) -> list[Row]:
    """Write texts plainly and through the engine, in turns."""
    with model_of_50_million() as vlm:
        picture = strip_picture()
        heads = one_head_a_layer(vlm)
        settings = SteerSettings("Describe each panel.", scope="answer")
        engine = Engine(vlm)
        engine.start()
        aims = [Aim(str(region.number), region) for region in picture.regions]

        def steps(newest: list[Aim], kept: bool) -> ByToken[Any]:
            limits = Limits(TOKENS, least=TOKENS)
            pace = FollowedAim(lambda: newest[0], picture, limits)
            keeping = engine.kept(picture) if kept else None
            return narrate_by_token(vlm, picture, pace, heads, settings, limits, kept=keeping)

        def served(clients: int) -> list[_Reader]:
            readers = [_Reader() for _ in range(clients)]
            for number, reader in enumerate(readers):
                engine.submit(Text(partial(steps, [aims[number % len(aims)]], True), reader))
            for reader in readers:
                reader.over.wait()
            return readers

        def one_after_the_other() -> None:
            for _ in range(CLIENTS):
                served(1)

        times = in_turns(
            {
                "plain": lambda: completed(steps([aims[0]], False)),
                "served": lambda: served(1),
                "eight": lambda: served(CLIENTS),
                "in a row": one_after_the_other,
            },
            rounds,
        )
        waits, usual = _after_new_aims(engine, steps, aims)
        engine.stop()
        engine.join(5)
    rows = [
        Row(
            "first token under a new aim",
            "a token under the same aim",
            f"≤ {AIM_WITHIN} x",
            f"{waits / usual:.2f} x",
            waits / usual <= AIM_WITHIN,
        )
    ]
    for what, other, name, promised, named in (
        (f"{TOKENS} tokens served, picture known", "`switch`", "served", SERVED_WITHIN, "plain"),
        (f"{CLIENTS} clients at once", f"{CLIENTS} texts in a row", "eight", MANY_WITHIN, "in a row"),
    ):
        fastest, middle = ratio(times, name, named)
        measured = f"{fastest:.2f} x (medians {middle:.2f})"
        rows.append(Row(what, other, f"≤ {promised} x", measured, fastest <= promised))
    return rows


def _after_new_aims(engine: Engine, steps: Any, aims: list[Aim]) -> tuple[float, float]:
    """Seconds of a token under a new aim and of one under the same, medians; the aim moves at every sixth."""
    newest, reader = [aims[0]], _Reader()
    moved: list[int] = []
    wrote = reader.wrote

    def moving(step: int, written: list[list[int]]) -> bool:
        wrote(step, written)
        if step % 6 == 5:
            newest[0] = aims[step // 6 % len(aims)] if newest[0] is aims[0] else aims[0]
            moved.append(step + 1)
        return False

    reader.wrote = moving  # type: ignore[method-assign]
    engine.submit(Text(lambda: steps(newest, True), reader))
    reader.over.wait()
    took = [after - before for before, after in zip(reader.times, reader.times[1:], strict=False)]
    new = [took[step - 1] for step in moved if step <= len(took)]
    same = [seconds for step, seconds in enumerate(took, 1) if step not in moved]
    return median(new), median(same)


if __name__ == "__main__":
    sys.exit(not show(run()))
