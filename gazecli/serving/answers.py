"""Answers: errors in one shape with their status, events as lines, and texts that arrive in an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response

from gazecli.errors import BadInput, GazeError
from gazecli.models.inference.generate import ByToken
from gazecli.plain_text import json_escaped
from gazecli.serving.engine import Engine, Text
from gazecli.steering.schedule import ends_sentence

_STATUS = {
    "host.refused": 403,
    "origin.refused": 403,
    "token.refused": 401,
    "key.refused": 401,
    "model.unknown": 404,
    "session.unknown": 404,
    "request.path": 404,
    "request.method": 405,
    "session.no_text": 409,
    "session.no_events": 409,
    "picture.too_large": 413,
    "request.too_large": 413,
    "request.type": 415,
    "steering.ineffective": 422,
    "serve.busy": 429,
    "serve.stopping": 503,
}


def status_of(error: GazeError) -> int:
    """The status of the answer that carries an error."""
    return _STATUS.get(error.code, 400 if isinstance(error, BadInput) else 500)


def problem(error: GazeError, wait: int | None = None) -> Response:
    """An error in the shape of OpenAI's, with our code and hint; `wait` seconds before the next try."""
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if wait is not None and status == 429:
        headers["Retry-After"] = str(wait)
    return JSONAnswer({"error": error_part(error)}, status, headers)


def error_part(error: GazeError) -> dict[str, Any]:
    """An error as all answers give it."""
    return {
        "message": str(error),
        "type": "invalid_request_error" if 400 <= status_of(error) < 500 else "server_error",
        "param": None,
        "code": error.code,
        "hint": error.hint,
        "subject": error.subject,
    }


class JSONAnswer(JSONResponse):
    """JSON in UTF-8 that hides no control character."""

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json_text(content).encode("utf-8")


def json_text(content: Any) -> str:
    """One line of JSON; ValueError for NaN."""
    return json_escaped(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def event_line(data: Mapping[str, Any] | str, name: str | None = None) -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json_text(data)}\n\n".encode()


class GrowingText:
    """A text as its tokens come; a character that takes several comes with the last of them."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self.text = ""
        self._decode = decode

    def add(self, tokens: Sequence[int]) -> str:
        """What the newest of `tokens` adds."""
        whole = self._decode(tokens).rstrip("\ufffd")
        piece = whole[len(self.text) :] if whole.startswith(self.text) else ""
        self.text += piece
        return piece


class Arrivals:
    """A listener of the engine that hands a text to an event loop: pieces of `row`, then the result."""

    def __init__(self, engine: Engine, begin: Callable[[], ByToken[Any]], row: int = 0) -> None:
        self.text = Text(begin, self)
        self._engine = engine
        self._row = row
        self._growing = GrowingText(engine.vlm.decode)
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def placed(self, place: int) -> None:
        """Nothing is told."""

    def wrote(self, _step: int, written: list[list[int]]) -> bool:
        """Hand on what the token added; whether a sentence ended."""
        self._put("piece", self._growing.add(written[self._row]))
        return ends_sentence(self._growing.text)

    def ended(self, result: Any) -> None:
        """Hand on the result."""
        self._put("result", result)

    def failed(self, error: GazeError) -> None:
        """Hand on the error."""
        self._put("error", error)

    async def pieces(self) -> AsyncIterator[str | Any]:
        """What each token adds, then the result; raises the error. Whoever leaves early cancels the text."""
        self._engine.submit(self.text)
        try:
            while True:
                kind, what = await self._queue.get()
                if kind == "error":
                    raise what
                yield what
                if kind == "result":
                    return
        finally:
            self.text.cancel()

    async def result(self) -> Any:
        """The result alone; raises the error."""
        return [each async for each in self.pieces()][-1]

    def _put(self, kind: str, what: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(self._queue.put_nowait, (kind, what))


async def in_engine(engine: Engine, compute: Callable[[], Any]) -> Any:
    """What `compute` gives in the engine's thread, in its turn."""

    def once() -> ByToken[Any]:
        return compute()
        yield

    return await Arrivals(engine, once).result()
