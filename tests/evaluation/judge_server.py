"""An OpenAI-compatible server on this machine, with replies that a test gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-0123456789"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass
class Server:
    """An OpenAI-compatible server. `answers` are (status, headers, reply), the last one for ever."""

    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=lambda: [(200, {}, "2")])
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs inside; no proxy may stand before it."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with state.lock:
                state.requests.append({"path": self.path, **body})
                state.keys.append(self.headers.get("authorization"))
                answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            status, headers, reply = answer
            shown = {"choices": [{"message": {"content": reply}}]} if status == 200 else {"error": KEY}
            data = reply.encode() if headers.get("raw") else json.dumps(shown).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{running.server_port}/v1"
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
