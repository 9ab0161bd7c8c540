"""The server: an engine, the page and the API behind one guard, on one socket, until somebody ends it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gazecli.cache.store import Cache
from gazecli.errors import GazeError, UsageError, as_gaze_error
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, newest_headset
from gazecli.models.vlm import VLM
from gazecli.pictures.image_files import MAX_PIXELS
from gazecli.pictures.picture import Picture, Pictured
from gazecli.serving.answers import JSONAnswer, problem
from gazecli.serving.chat import Chat
from gazecli.serving.engine import WAITING, Engine, stopping
from gazecli.serving.live import Live
from gazecli.serving.requests import Panels
from gazecli.serving.security import KEY_VARIABLE, Access, Guard
from gazecli.steering.inputs import Model, loaded

_LOG = logging.getLogger(__name__)
PORT = 7860
MAX_UPLOAD = 32 << 20  # bytes
_GRACE = 1  # seconds for answers that are being sent when the server stops


@dataclass(frozen=True)
class Address:
    """Where a server listens. `page` holds the token that the page needs; `api` is the base of OpenAI's."""

    page: str
    api: str
    key: str
    host: str
    port: int


@dataclass(frozen=True)
class Entrance:
    """A port that is taken, and who may come in: made before a model is loaded, which may take long."""

    access: Access
    socket: socket.socket

    @classmethod
    def open(
        cls, host: str = "127.0.0.1", port: int = PORT, key: str | None = None, max_upload: int = MAX_UPLOAD
    ) -> Entrance:
        """Listen at `host`; UsageError for a port that is taken, and as `Access.of`.

        The key of the API is `key`, else GAZE_SERVE_KEY, else a random one.
        """
        access = Access.of(host, key or os.environ.get(KEY_VARIABLE), max_upload)
        return cls(access, _bound(host, port))

    def __enter__(self) -> Entrance:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Server:
    """A server that does not run yet. The model is its engine's from then on.

    how: in which way the panels of `pictures` were found, if not as `Picture.open` does by default.
    """

    def __init__(
        self,
        vlm: VLM,
        headset: HeadSet,
        entrance: Entrance,
        pictures: Sequence[Picture | str | Path] = (),
        *,
        max_pixels: int = MAX_PIXELS,
        how: Panels | None = None,
        waiting: int = WAITING,
    ) -> None:
        headset.check_model(vlm.digest, vlm.name)
        access = entrance.access
        opened = [_opened(each, how) for each in pictures]
        self.engine = Engine(vlm, waiting=waiting)
        self.live = Live(self.engine, headset, opened, max_pixels)
        chat = Chat(self.engine, headset, max_pixels)
        self._socket = entrance.socket
        bound: int = self._socket.getsockname()[1]
        host = access.host
        name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - what a browser here may open
        where = f"http://[{name}]:{bound}" if ":" in name else f"http://{name}:{bound}"
        self.address = Address(f"{where}/#token={access.token}", f"{where}/v1", access.key, host, bound)
        app = Starlette(
            routes=[*self.live.routes, *chat.routes, Route("/healthz", self._health)],
            exception_handlers={HTTPException: _unknown, GazeError: self._failed, Exception: self._failed},
        )
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                Guard(app, access),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE,
            ),
            self._end_texts,
        )

    def run(self) -> None:
        """Serve until `stop`, or an interrupt, which is raised again as KeyboardInterrupt."""
        self.engine.start()
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self._end_texts()
            self._socket.close()

    def stop(self) -> None:
        """Tell all who wait, and let `run` return; from any thread."""
        self._end_texts()
        self._uvicorn.should_exit = True

    def _end_texts(self) -> None:
        self.engine.stop()
        self.live.end_all(stopping())

    async def _health(self, _request: Request) -> Response:
        return JSONAnswer({"status": "ok"})

    async def _failed(self, _request: Request, error: Exception) -> Response:
        return problem(as_gaze_error(error), self.engine.seconds_to_wait)


def serve(
    model: Model,
    headset: HeadSet | str | Path | None = None,
    pictures: Sequence[Pictured] = (),
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    key: str | None = None,
    max_upload: int = MAX_UPLOAD,
    max_pixels: int = MAX_PIXELS,
    on_ready: Callable[[Address], None] | None = None,
    how: Panels | None = None,
    entrance: Entrance | None = None,
    cache: Cache | None = None,
) -> None:
    """Serve a model until an interrupt: a page whose text follows the pointer, and OpenAI's API.

    model: a loaded VLM or a name. headset: one, its digest or file, by default the model's newest. host,
    port, key, max_upload: as of `Entrance.open`; an `entrance` that is open already stands for them.
    `on_ready` is called with the address, such as `print`; without it the address is logged. `how`: in which
    way the panels of `pictures` were found.

    Raises UsageError for a port that is taken, HeadSetError for another model's heads.
    """
    cache = cache if cache is not None else Cache()
    if headset is not None:
        found = find_headset(headset, cache)
    elif isinstance(model, str | Path):
        found = find_headset(model, cache)
    else:
        found = newest_headset(model.digest, model.name, cache)
    shown = [Picture.of(each) if not isinstance(each, str | Path) else each for each in pictures]
    with entrance or Entrance.open(host, port, key, max_upload) as opened:
        server = Server(loaded(model), found, opened, shown, max_pixels=max_pixels, how=how)
        (on_ready or _log_address)(server.address)
        server.run()


def _log_address(address: Address) -> None:
    # The key and the page's token are secrets; who wants them gives `on_ready`.
    _LOG.info("serving at %s", address.api)


class _Uvicorn(uvicorn.Server):
    """Ends the texts as soon as the signal comes: answers that go on would hold the server up."""

    def __init__(self, config: uvicorn.Config, end_texts: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_texts = end_texts

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self._end_texts()
        super().handle_exit(sig, frame)


def _opened(picture: Picture | str | Path, how: Panels | None) -> tuple[Picture, Panels]:
    """A picture, and how its panels were found: a picture in memory is told by its boxes."""
    if not isinstance(picture, Picture):
        return Picture.open(picture), Panels()
    boxes = [list(region.box) for region in picture.regions]
    return picture, how or (Panels(regions=boxes) if boxes else Panels())


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # the resolver would take the rest of a division
        hint = "leave it out for 7860; 0 takes a free one"
        raise UsageError("--port must be between 0 and 65535", subject=str(port), hint=hint)
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as closing:
            made = closing.enter_context(socket.socket(family, kind))
            if os.name == "posix":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(where)
            made.listen()  # whoever is told the address may connect
            closing.pop_all()
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(
            f"cannot listen at this --host and --port ({reason})",
            subject=f"{host}:{port}",
            hint="choose another --port; 0 takes a free one",
            code="serve.address",
        ) from error
    return made


async def _unknown(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "request.method" if error.status_code == 405 else "request.path"
    hint = "docs/serving.md lists what there is"
    return problem(GazeError("there is nothing here", hint=hint, code=code))
