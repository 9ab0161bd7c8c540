"""The engine: one thread that owns the model and writes all texts, in turns. Knows nothing of HTTP.

A turn is a sentence or 16 tokens; whoever is alone goes on without a break. A text that nobody wants any more
ends before its next token, and without texts the thread sleeps.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from gazecli.errors import GazeError, as_gaze_error
from gazecli.models.inference.generate import ByToken
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

TURN = 16  # tokens
OPEN = 8  # texts that take turns: each holds a key-value cache
WAITING = 64
KEPT_BYTES = 1 << 30


class Listener(Protocol):
    """Who is told about a text, in the engine's thread; told the end once, unless it was cancelled."""

    def placed(self, place: int) -> None:
        """So many texts come before this one's next token."""

    def wrote(self, step: int, written: list[list[int]]) -> bool:
        """A token came; returns whether a sentence ends with it."""

    def ended(self, result: Any) -> None:
        """The text is whole."""

    def failed(self, error: GazeError) -> None:
        """There will be no text, or no more of it."""


class Text:
    """A text to be written; `begin` is called in the engine's thread."""

    def __init__(self, begin: Callable[[], ByToken[Any]], listener: Listener) -> None:
        self.listener = listener
        self.cancelled = False
        self.place = -1
        self._begin = begin
        self._steps: ByToken[Any] | None = None

    def cancel(self) -> None:
        """Write no further token, and tell nobody."""
        self.cancelled = True

    def next_token(self) -> tuple[int, list[list[int]]]:
        """Write a token; StopIteration with the result when there is none."""
        if self._steps is None:
            self._steps = self._begin()
        return next(self._steps)

    def close(self) -> None:
        """Let go of what the text holds."""
        if self._steps is not None:
            self._steps.close()


class Engine:
    """The thread, the texts that wait for it, and what it keeps of pictures, the latest used ones.

    `tokens` counts what was written. At most `waiting` texts are taken.
    """

    def __init__(self, vlm: VLM, *, waiting: int = WAITING, kept_bytes: int = KEPT_BYTES) -> None:
        self.vlm = vlm
        self.tokens = 0
        self.waiting = waiting
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, KeptPicture] = OrderedDict()
        self._texts: list[
            Text
        ] = []  # the one being written first, then those that take turns, then the others
        self._changed = threading.Condition()
        self._stopping = False
        self._seconds = 1.0  # a text takes, about
        self._thread = threading.Thread(target=self._run, name="gaze-engine", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write no further token; all who wait are told. Returns at once."""
        self._stopping = True
        # Not waiting for the lock: this is called from signal handlers, which may have interrupted its owner.
        threading.Thread(target=self._wake, daemon=True).start()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    def submit(self, text: Text) -> None:
        """Let `text` be written in its turn; GazeError `serve.busy` when too many wait."""
        with self._changed:
            if self._stopping:
                raise stopping()
            if sum(not each.cancelled for each in self._texts) >= self.waiting:
                raise GazeError(
                    f"{self.waiting} texts are waiting already",
                    subject=self.vlm.name,
                    hint="try again later",
                    code="serve.busy",
                )
            self._texts.append(text)
            self._tell_places()
            self._changed.notify()

    @property
    def waiting_now(self) -> int:
        """Texts that are not over, cancelled ones included until their turn comes."""
        return len(self._texts)

    @property
    def seconds_to_wait(self) -> int:
        """About how long until a text that was not taken would be."""
        return max(1, round(self._seconds))

    def kept(self, picture: Picture) -> KeptPicture:
        """What is kept of a picture; only for the engine's thread."""
        known = self._kept.setdefault(picture.sha256, KeptPicture(self.vlm, picture))
        self._kept.move_to_end(picture.sha256)
        while len(self._kept) > 1 and sum(each.size for each in self._kept.values()) > self._kept_bytes:
            self._kept.popitem(last=False)
        return known

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._texts or self._stopping)
                if self._stopping:
                    break
                text = self._texts[0]
            began = time.monotonic()
            over = self._turn(text)
            with self._changed:
                self._texts.remove(text)
                if not over:
                    self._texts.insert(min(len(self._texts), OPEN - 1), text)
                self._tell_places()
            if over:
                self._seconds += 0.2 * (time.monotonic() - began - self._seconds)
        for text in self._texts:
            text.close()
            if not text.cancelled:
                text.listener.failed(stopping())
        self._texts.clear()

    def _turn(self, text: Text) -> bool:
        """Write a turn; whether the text is over. The model is left as it was found."""
        with self.vlm.biased(None):
            try:
                return self._wrote_all(text)
            except Exception as error:  # noqa: BLE001 - one text must not end all others
                text.close()
                text.listener.failed(as_gaze_error(error))
                return True

    def _wrote_all(self, text: Text) -> bool:
        for count in itertools.count(1):
            if text.cancelled:
                text.close()
                return True
            if self._stopping:
                return False
            try:
                step, written = text.next_token()
            except StopIteration as end:
                text.listener.ended(end.value)
                return True
            self.tokens += 1
            sentence_ends = text.listener.wrote(step, written)
            if len(self._texts) > 1 and (sentence_ends or count >= TURN):
                break
        return False

    def _tell_places(self) -> None:
        for place, text in enumerate(self._texts):
            if place != text.place and not text.cancelled:
                text.place = place
                text.listener.placed(place)


def stopping() -> GazeError:
    """What all are told when the server ends."""
    return GazeError("the server is stopping", hint="start it again", code="serve.stopping")
