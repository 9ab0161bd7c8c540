"""The page and what it talks to: sessions by POST, events by one stream a session.

All under `/live` takes the page's token in the header `X-Gaze-Token`; bodies and answers are JSON.

    GET  /                               the page, from `page/`; its other files under /page/
    GET  /live                           model, heads, defaults, the server's pictures
    POST /live/sessions                  {"picture": data address or number, "name"?, …} and what panels takes
    GET  /live/sessions/ID/events        the stream: queue, token, done, compared, error; closing it ends the
                                         session
    POST /live/sessions/ID/panels        {"panels"?, "regions"?, "rtl"?, "spread"?}
    POST /live/sessions/ID/aim           {"region": 3 | "circle:x,y,r" | [x0, y0, x1, y1]}
    POST /live/sessions/ID/start         settings, see `StartBody`; a text being written ends
    POST /live/sessions/ID/stop          {}
    GET  /live/sessions/ID/record        schedule, command and Python script of the last text
    GET  /live/sessions/ID/page          the last text as a page of its own
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from gazecli.errors import GazeError, UsageError
from gazecli.heads.headset import HeadSet
from gazecli.models.attention.modes import MODES, SCOPES
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region
from gazecli.reports.heatmap import shrunk
from gazecli.reports.page.report import picture_page
from gazecli.reports.page.scenes import picture_data, scene_of_narration, scene_of_tracking
from gazecli.reports.steering import switch_document, track_document
from gazecli.serving.answers import JSONAnswer, error_part, event_line, in_engine
from gazecli.serving.engine import Engine
from gazecli.serving.record import record_of
from gazecli.serving.requests import (
    AimBody,
    NoBody,
    Panels,
    PictureBody,
    StartBody,
    parsed,
    picture_of,
    spec_of,
    with_panels,
)
from gazecli.serving.sessions import Event, LiveSettings, Run, Session, grid_of
from gazecli.steering.switch import Narration

PAGE = Path(__file__).parent / "page"
SESSIONS = 32
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LONGEST_SIDE = 2000  # pixels of the picture as the page shows it


class Live:
    """The page's side of the server: its sessions, and the pictures it may begin with."""

    def __init__(
        self, engine: Engine, headset: HeadSet, pictures: Sequence[tuple[Picture, Panels]], most_pixels: int
    ) -> None:
        self.engine = engine
        self.headset = headset
        self.pictures = list(pictures)
        self.most_pixels = most_pixels
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        at = "/live/sessions/{id}"
        self.routes = [
            Route("/", self.page),
            Route("/page/{name}", self.asset),
            Route("/live", self.about),
            Route("/live/sessions", self.open, methods=["POST"]),
            Route(f"{at}/events", self.events),
            Route(f"{at}/panels", self.panels, methods=["POST"]),
            Route(f"{at}/aim", self.aim, methods=["POST"]),
            Route(f"{at}/start", self.start, methods=["POST"]),
            Route(f"{at}/stop", self.stop, methods=["POST"]),
            Route(f"{at}/record", self.record),
            Route(f"{at}/page", self.saved_page),
        ]

    async def page(self, _request: Request) -> Response:
        """The page."""
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def asset(self, request: Request) -> Response:
        """A file of the page."""
        name: str = request.path_params["name"]
        path = PAGE / name
        if "\\" in name or path.parent != PAGE or path.suffix not in _TYPES or not path.is_file():
            raise GazeError(
                "there is no such page", subject=name[:80], hint="the live page is at /", code="request.path"
            )
        return FileResponse(path, media_type=_TYPES[path.suffix])

    async def about(self, _request: Request) -> Response:
        """What the page needs before it has a session."""
        vlm = self.engine.vlm
        suggested = self.headset.header["suggested"]
        return JSONAnswer(
            {
                "model": {
                    "name": vlm.name,
                    "id": vlm.id,
                    "family": vlm.family,
                    "layers": vlm.layers,
                    "heads": vlm.heads,
                },
                "headset": {
                    "digest": self.headset.digest,
                    "top": self.headset.resolve_top(),
                    "score": suggested["score"],
                    "heads": [list(head) for head in self.headset.top()],
                },
                "all_heads": sum(vlm.heads_of.values()),
                "defaults": asdict(LiveSettings(strength=self.headset.resolve_strength())),
                "modes": MODES,
                "scopes": SCOPES,
                "pictures": [
                    {
                        "picture": number,
                        "name": picture.path,
                        "width": picture.width,
                        "height": picture.height,
                    }
                    for number, (picture, _) in enumerate(self.pictures)
                ],
            }
        )

    async def open(self, request: Request) -> Response:
        """Open a session."""
        body = parsed(PictureBody, await request.body())
        if isinstance(body.picture, int):
            if not 0 <= body.picture < len(self.pictures):
                raise UsageError(
                    "the server has no such picture",
                    subject=str(body.picture),
                    hint=f"it has {len(self.pictures)}, counted from 0",
                )
            picture, how = self.pictures[body.picture]
            if body.model_fields_set & set(Panels.model_fields):
                how = body.how
                picture = await run_in_threadpool(with_panels, picture, how)
        else:
            how = body.how
            # A name that looked like an option would change the command of the record.
            name = f"./{body.name}" if body.name.startswith("-") else body.name
            picture = await run_in_threadpool(picture_of, body.picture, name, how, self.most_pixels)
        default = LiveSettings().prompt
        layout = (await in_engine(self.engine, lambda: self.engine.kept(picture).prepare(default)))[1]
        session = Session(self.engine, self.headset, picture, layout, how)
        self._add(session)
        shown = await run_in_threadpool(lambda: picture_data(shrunk(picture.image, _LONGEST_SIDE)))
        xs, ys = grid_of(layout, picture)
        return JSONAnswer(
            {
                "session": session.id,
                "picture": {
                    "name": picture.path,
                    "sha256": picture.sha256,
                    "width": picture.width,
                    "height": picture.height,
                    "prepared": layout.prepared,
                    "image_tokens": len(layout.positions),
                    "image": shown,
                },
                "regions": _regions(session),
                "warnings": session.warnings(),
                "grid": {"xs": [round(float(x), 2) for x in xs], "ys": [round(float(y), 2) for y in ys]},
            },
            201,
        )

    async def events(self, request: Request) -> Response:
        """The stream of a session; there is one, and with it the session ends."""
        session = self._session(request)
        if session.send is not None:
            raise UsageError("the session's events are read already", hint="open another session")
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event] = asyncio.Queue()

        def send(event: Event) -> None:
            with suppress(RuntimeError):  # the loop is closed: the server is gone
                loop.call_soon_threadsafe(queue.put_nowait, event)

        session.send = send

        async def lines() -> AsyncIterator[bytes]:
            try:
                yield event_line({"session": session.id}, "open")
                while True:
                    event = dict(await queue.get())
                    name = event.pop("event")
                    yield event_line(event, name)
                    if name == "error" and event["error"]["code"] == "serve.stopping":
                        return
            finally:
                self._drop(session)

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def panels(self, request: Request) -> Response:
        """Find other panels, or take the boxes given."""
        session, body = self._session(request), parsed(Panels, await request.body())
        session.set_panels(await run_in_threadpool(with_panels, session.picture, body), body)
        return JSONAnswer({"regions": _regions(session), "warnings": session.warnings()})

    async def aim(self, request: Request) -> Response:
        """Overwrite the aim."""
        session, body = self._session(request), parsed(AimBody, await request.body())
        aim = session.take_aim(spec_of(body.region))
        return JSONAnswer({"aim": aim.spec, "region": _region(session, aim.region)})

    async def start(self, request: Request) -> Response:
        """Begin a text."""
        session, body = self._session(request), parsed(StartBody, await request.body())
        if session.send is None:
            raise GazeError(
                "nobody reads the session's events", hint="open its events first", code="session.no_events"
            )
        given = body.model_dump(exclude_none=True)
        given["strength"] = self.headset.resolve_strength(body.strength)
        return JSONAnswer({"run": session.begin(LiveSettings(**given)).number}, 202)

    async def stop(self, request: Request) -> Response:
        """End the text behind the token being written."""
        session = self._session(request)
        parsed(NoBody, await request.body())
        if session.run is not None:
            session.run.stop()
        return JSONAnswer({"run": session.run.number if session.run else None}, 202)

    async def record(self, request: Request) -> Response:
        """How to do the last text again."""
        return JSONAnswer(record_of(self._run(request)))

    async def saved_page(self, request: Request) -> Response:
        """The last text as a page that needs nothing else."""
        run = self._run(request)
        html = await run_in_threadpool(self._page_of, run)
        return HTMLResponse(html, headers={"Content-Disposition": 'attachment; filename="gaze.html"'})

    def end_all(self, error: GazeError) -> None:
        """Tell every tab, and end its stream; from any thread."""
        for session in list(self.sessions.values()):
            if session.send is not None:
                session.send({"event": "error", "error": error_part(error)})

    def _page_of(self, run: Run) -> str:
        vlm, result, digest = self.engine.vlm, run.result, self.headset.digest
        score = self.headset.resolve_score(run.settings.score)
        if isinstance(result, Narration):
            document = switch_document(vlm, result, digest, score)
            return picture_page(document, scene_of_narration(result), f"Narration of {vlm.name}, switched")
        assert result is not None
        tracked = track_document(vlm, result, digest, score, ())
        return picture_page(tracked, scene_of_tracking(result), f"Attention of {vlm.name} while it writes")

    def _add(self, session: Session) -> None:
        if len(self.sessions) >= SESSIONS:
            unread = next((each for each in self.sessions.values() if each.send is None), None)
            if unread is None:
                raise GazeError(
                    f"{SESSIONS} tabs are open already", hint="close one of them", code="serve.busy"
                )
            self._drop(unread)
        self.sessions[session.id] = session

    def _drop(self, session: Session) -> None:
        session.end()
        self.sessions.pop(session.id, None)

    def _session(self, request: Request) -> Session:
        found = self.sessions.get(request.path_params["id"])
        if found is None:
            raise GazeError(
                "there is no such session", hint="open one: POST /live/sessions", code="session.unknown"
            )
        return found

    def _run(self, request: Request) -> Run:
        run = self._session(request).run
        if run is None or run.result is None:
            raise GazeError(
                "no text is complete yet", hint="wait for its end, or stop it", code="session.no_text"
            )
        return run


def _regions(session: Session) -> list[dict[str, Any]]:
    return [_region(session, region) for region in session.picture.regions]


def _region(session: Session, region: Region) -> dict[str, Any]:
    box = [round(edge, 2) for edge in region.box]
    return {"number": region.number, "box": box, "tokens": session.layout.count(region)}
