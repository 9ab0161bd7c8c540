"""Who may ask: hosts, origins, keys and sizes are checked before anything else is looked at.

A page of another site may make a browser send requests here. It cannot read the token in the opened address.
It can reach us under a name that was bound to this machine later (DNS rebinding), and then sends no Origin:
so the Host is checked first.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gazecli.errors import GazeError, UsageError
from gazecli.serving.answers import problem

TOKEN_HEADER = "x-gaze-token"  # noqa: S105 - a name
KEY_VARIABLE = "GAZE_SERVE_KEY"
SHORTEST_KEY = 16
MOST_UPLOAD = 1 << 33  # bytes
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """What opens which door: the page's token, the key of the API, the hosts, the bytes of a body."""

    host: str
    key: str
    max_upload: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @classmethod
    def of(cls, host: str, key: str | None, max_upload: int) -> Access:
        """Access at `host`; without a key of the user's own a random one, on the loopback address only.

        Raises UsageError when other machines could ask without a key that the user chose.
        """
        if not 1 <= max_upload <= MOST_UPLOAD:
            hint = "leave it out for 32"
            raise UsageError(f"--max-upload must be between 1 and {MOST_UPLOAD >> 20} megabytes", hint=hint)
        if key is not None and len(key) < SHORTEST_KEY:
            raise UsageError(
                f"{KEY_VARIABLE} is shorter than {SHORTEST_KEY} characters", hint="use a longer one"
            )
        if key is None and not is_loopback(host):
            raise UsageError(
                "other machines could use the model, so they need a key",
                subject=host,
                hint=f"set {KEY_VARIABLE} to {SHORTEST_KEY} characters or more, or leave --host out",
                code="serve.key",
            )
        return cls(host, key or secrets.token_urlsafe(24), max_upload)

    def allows_host(self, header: str) -> bool:
        """Whether a Host header names this machine.

        On the loopback address its names do; else any address in numbers, which nobody can bind to another
        machine, and this machine's own name.
        """
        name = header.rsplit("]", 1)[0].lstrip("[") if header.startswith("[") else header.split(":")[0]
        name = name.lower().rstrip(".")
        if name in _LOOPBACK or name == self.host.lower():
            return True
        return not is_loopback(self.host) and (_is_address(name) or name == socket.gethostname().lower())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    return host.lower() in _LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Lets through what `access` allows, bounds bodies, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await problem(refusal)(scope, receive, send_with_headers)
            return
        await self.app(scope, self._bounded(receive), send_with_headers)

    def _refusal(self, scope: MutableMapping[str, Any]) -> GazeError | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.access.allows_host(host):
            hint = "open the address that `gaze serve` printed"
            return GazeError(
                "this server does not have that name", subject=host[:80], hint=hint, code="host.refused"
            )
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            hint = "only its own page may ask this server from a browser"
            return GazeError(
                "this origin is not allowed", subject=origin[:80], hint=hint, code="origin.refused"
            )
        path: str = scope["path"]
        if path.startswith("/live") and not _equal(headers.getlist(TOKEN_HEADER), self.access.token):
            hint = "open the address that `gaze serve` printed, with all that follows the #"
            return GazeError("the page's token is missing or wrong", hint=hint, code="token.refused")
        if path.startswith("/v1") and not _equal(
            headers.getlist("authorization"), f"Bearer {self.access.key}"
        ):
            hint = f"send Authorization: Bearer KEY, with {KEY_VARIABLE} or the key printed at start"
            return GazeError("the key is missing or wrong", hint=hint, code="key.refused")
        if scope["method"] == "POST":
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                hint = "send Content-Type: application/json"
                return GazeError("the body is not sent as JSON", hint=hint, code="request.type")
            length = headers.get("content-length", "0")
            if not length.isdigit() or len(length) > 15 or int(length) > self.access.max_upload:
                return self._too_large()
        return None

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.access.max_upload:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> GazeError:
        return GazeError(
            f"the body is larger than {self.access.max_upload} bytes",
            hint="send a smaller picture, or start the server with a larger --max-upload",
            code="request.too_large",
        )


def _equal(given: Iterable[str], wanted: str) -> bool:
    return any(secrets.compare_digest(each.encode("utf-8"), wanted.encode("utf-8")) for each in given)
