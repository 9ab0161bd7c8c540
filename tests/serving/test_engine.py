"""The engine alone: turns, what is told, and what one text can do to the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

from gazecli.errors import GazeError, UsageError
from gazecli.models.inference.generate import ByToken
from gazecli.models.vlm import VLM
from gazecli.serving.engine import OPEN, TURN, Engine, Text
from tests.conftest import noise_picture


class Reader:
    """A listener that keeps what it is told, in one list for all readers of an engine."""

    def __init__(self, name: str, told: list[tuple[str, object]], breaks: bool = False) -> None:
        self.name = name
        self.told = told
        self.breaks = breaks
        self.over = Event()

    def placed(self, place: int) -> None:
        self.told.append((self.name, f"place {place}"))

    def wrote(self, step: int, _written: list[list[int]]) -> bool:
        if self.breaks:
            raise ValueError("a listener that fails")
        self.told.append((self.name, step))
        return False

    def ended(self, result: Any) -> None:
        self.told.append((self.name, result))
        self.over.set()

    def failed(self, error: GazeError) -> None:
        self.told.append((self.name, error.code))
        self.over.set()


def counting(tokens: int) -> Callable[[], ByToken[str]]:
    def begin() -> ByToken[str]:
        for step in range(tokens):
            yield step, [[0] * (step + 1)]
        return "whole"

    return begin


def refused() -> ByToken[str]:
    raise UsageError("it cannot begin")


@pytest.fixture
def engine(vlm_of: Callable[[str], VLM]) -> Iterator[Engine]:
    made = Engine(vlm_of("qwen2_vl"), waiting=12)
    yield made
    made.stop()
    made.join(5)


def test_texts_take_turns_of_sixteen_tokens(engine: Engine) -> None:
    told: list[tuple[str, object]] = []
    readers = {name: Reader(name, told) for name in "ab"}
    for reader in readers.values():
        engine.submit(Text(counting(40), reader))
    engine.start()
    for reader in readers.values():
        assert reader.over.wait(5)
    steps = [name for name, what in told if isinstance(what, int)]
    turns = [steps[start : start + TURN] for start in range(0, 4 * TURN, TURN)]
    assert turns == [["a"] * TURN, ["b"] * TURN] * 2
    assert [what for name, what in told if name == "b" and "place" in str(what)] == [
        "place 1", "place 0", "place 1", "place 0", "place 1", "place 0"
    ]  # fmt: skip
    assert engine.tokens == 80


def test_no_more_than_eight_are_open_and_all_get_their_turn(engine: Engine) -> None:
    told: list[tuple[str, object]] = []
    readers = [Reader(str(number), told) for number in range(12)]
    for reader in readers:
        engine.submit(Text(counting(20), reader))
    with pytest.raises(GazeError) as caught:
        engine.submit(Text(counting(1), readers[0]))
    assert caught.value.code == "serve.busy"
    engine.start()
    for reader in readers:
        assert reader.over.wait(5)
    open_now: set[str] = set()
    most = 0
    for name, what in told:
        if isinstance(what, int):
            open_now.add(name)
        elif what == "whole":
            open_now.discard(name)
        most = max(most, len(open_now))
    assert most == OPEN


def test_a_text_that_fails_ends_alone(engine: Engine) -> None:
    told: list[tuple[str, object]] = []
    readers = [Reader("refused", told), Reader("breaks", told, breaks=True), Reader("well", told)]
    for reader, begin in zip(readers, (refused, counting(3), counting(3)), strict=True):
        engine.submit(Text(begin, reader))
    engine.start()
    for reader in readers:
        assert reader.over.wait(5)
    assert ("refused", "usage.invalid") in told
    assert ("breaks", "gaze.unexpected") in told
    assert ("well", "whole") in told


def test_a_cancelled_text_is_told_nothing_and_a_stopped_engine_tells_the_rest(engine: Engine) -> None:
    told: list[tuple[str, object]] = []
    left, waits = Reader("left", told), Reader("waits", told)
    for reader in (left, waits):
        text = Text(counting(1 << 40), reader)
        engine.submit(text)
        if reader is left:
            text.cancel()
    engine.start()
    while not any(name == "waits" and what == 20 for name, what in list(told)):
        pass
    engine.stop()
    assert waits.over.wait(5)
    assert told[-1] == ("waits", "serve.stopping")
    assert all(isinstance(what, str) and "place" in what for name, what in told if name == "left")
    with pytest.raises(GazeError):
        engine.submit(Text(counting(1), left))


def test_what_is_kept_of_pictures_is_bounded_and_the_oldest_goes_first(
    vlm_of: Callable[[str], VLM],
) -> None:
    vlm, pictures = vlm_of("qwen2_vl"), [noise_picture(130, 130, 1, seed=seed) for seed in range(3)]
    one = Engine(vlm).kept(pictures[0])
    one.prepare("What is this?")
    engine = Engine(vlm, kept_bytes=int(2.5 * one.size))
    first = [engine.kept(picture) for picture in pictures]
    for kept in first:
        kept.prepare("What is this?")
    assert engine.kept(pictures[1]) is first[1]
    assert engine.kept(pictures[2]) is first[2]
    assert engine.kept(pictures[0]) is not first[0]
