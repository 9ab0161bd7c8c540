"""A server of the small model on a free port of this machine, and tabs and clients that ask it."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gazecli.cache import Cache
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.serving.server import MAX_UPLOAD, Entrance, Server
from gazecli.tiny.comics import make_comics

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"


def data_address(path: Path = STRIP) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


@dataclass
class Tab:
    """A session of the page whose events are read in a thread."""

    client: httpx2.Client
    at: str
    opened: dict[str, Any]
    reader: threading.Thread = field(default_factory=threading.Thread)
    events: list[dict[str, Any]] = field(default_factory=list)
    line: socket.socket = field(init=False)

    def read(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            self._read()

    def close(self) -> None:
        """As a browser closes a tab: the connection ends."""
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)
        self.reader.join(5)
        self.client.close()

    def _read(self) -> None:
        where = self.client.base_url
        connection = http.client.HTTPConnection(where.host, where.port)
        connection.connect()
        self.line = connection.sock
        connection.request(
            "GET", f"{self.at}/events", headers={"x-gaze-token": self.client.headers["x-gaze-token"]}
        )
        name = ""
        with closing(connection), connection.getresponse() as lines:
            for line in lines:
                if line.startswith(b"event: "):
                    name = line.removeprefix(b"event: ").decode().strip()
                elif line.startswith(b"data: "):
                    self.events.append({"event": name, **json.loads(line.removeprefix(b"data: "))})

    def post(self, what: str, status: int | None = None, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{self.at}/{what}", json=body)
        assert answer.status_code == status or (status is None and answer.is_success), answer.text
        return answer.json()  # type: ignore[no-any-return]

    def get(self, what: str) -> httpx2.Response:
        return self.client.get(f"{self.at}/{what}")

    def tokens(self) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["event"] == "token"]

    def until(self, holds: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.events[-2:]
            time.sleep(0.002)

    def done(self, run: int = 1) -> dict[str, Any]:
        def ended() -> list[dict[str, Any]]:
            return [e for e in list(self.events) if e["event"] == "done" and e["run"] == run]

        self.until(ended)
        return ended()[0]


class Asker:
    """What a test asks a server with; `server` is there when it runs in this process."""

    server: Server

    def __init__(self, base: str, token: str, key: str) -> None:
        self.base = base
        self.token = token
        self.page = httpx2.Client(base_url=base, headers={"x-gaze-token": token}, timeout=60)
        self.api = httpx2.Client(base_url=base, headers={"authorization": f"Bearer {key}"}, timeout=60)
        self.bare = httpx2.Client(base_url=base, timeout=60)
        self.tabs: list[Tab] = []

    def close(self) -> None:
        for each in (*self.tabs, self.page, self.api, self.bare):
            each.close()

    def tab(self, picture: int | str = 0, **how: Any) -> Tab:
        answer = self.page.post("/live/sessions", json={"picture": picture, **how})
        assert answer.status_code == 201, answer.text
        client = httpx2.Client(base_url=self.base, headers={"x-gaze-token": self.token}, timeout=60)
        tab = Tab(client, f"/live/sessions/{answer.json()['session']}", answer.json())
        tab.reader = threading.Thread(target=tab.read, daemon=True)
        tab.reader.start()
        self.tabs.append(tab)
        tab.until(lambda: tab.events)
        return tab

    @classmethod
    def at(cls, page: str, key: str) -> Asker:
        """For the server whose page is there."""
        base, _, token = page.partition("/#token=")
        return cls(base, token, key)

    @classmethod
    def of(cls, server: Server) -> Asker:
        """For a server of this process."""
        asker = cls.at(server.address.page, server.address.key)
        asker.server = server
        return asker

    def idle(self) -> None:
        """Wait until the server's thread leaves the model alone: a text that is whole is still compared."""
        deadline = time.monotonic() + 20
        while self.server.engine.waiting_now:
            assert time.monotonic() < deadline, "the engine goes on"
            time.sleep(0.002)

    def question(self, picture: str | None = None) -> dict[str, Any]:
        """The body of a request about a picture."""
        image = {"type": "image_url", "image_url": {"url": picture or data_address()}}
        text = {"type": "text", "text": "What is happening in this panel of the comic strip?"}
        return {"model": "tiny", "messages": [{"role": "user", "content": [text, image]}]}

    def chat(self, picture: str | None = None, **more: Any) -> httpx2.Response:
        return self.api.post("/v1/chat/completions", json={**self.question(picture), **more})


def serving(server: Server) -> threading.Thread:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="session")
def headset(tmp_path_factory: pytest.TempPathFactory, vlm_of: Callable[[str], VLM]) -> HeadSet:
    """The gaze heads of the small model."""
    comics = tmp_path_factory.mktemp("drawn") / "comics"
    make_comics(comics, 6, seed=1)
    return discover(vlm_of("tiny"), comics, cache=Cache(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def asker(vlm_of: Callable[[str], VLM], headset: HeadSet) -> Iterator[Asker]:
    """A server with the example strip."""
    server = Server(vlm_of("tiny"), headset, Entrance.open(port=0), [STRIP])
    thread = serving(server)
    asking = Asker.of(server)
    yield asking
    asking.close()
    server.stop()
    thread.join(5)
    assert not thread.is_alive()


@pytest.fixture(autouse=True)
def no_tab_stays_open(asker: Asker) -> Iterator[None]:
    yield
    while asker.tabs:
        asker.tabs.pop().close()
    asker.idle()


@pytest.fixture
def serve(vlm_of: Callable[[str], VLM], headset: HeadSet) -> Iterator[Callable[..., Asker]]:
    """Start further servers, with options of their own."""
    running: list[tuple[Asker, threading.Thread]] = []

    def start(max_upload: int = MAX_UPLOAD, heads: HeadSet = headset, **options: Any) -> Asker:
        server = Server(vlm_of("tiny"), heads, Entrance.open(port=0, max_upload=max_upload), **options)
        running.append((Asker.of(server), serving(server)))
        return running[-1][0]

    yield start
    for asking, thread in running:
        asking.close()
        asking.server.stop()
        thread.join(5)
