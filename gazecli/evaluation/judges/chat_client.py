"""A client of an OpenAI-compatible chat endpoint: bounded in time and tries, and silent about its key."""

from __future__ import annotations

import time
from typing import Any

import httpx2

from gazecli.canonical import parse_json
from gazecli.errors import JudgeError

TRIES = 4
_PAUSE = 0.5  # seconds before the second try, doubled before each further one
_LONGEST_PAUSE = 30.0
_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
_LARGEST_REPLY = 1 << 20
_TRY_AGAIN = {408, 409, 425, 429}


class ChatClient:
    """One endpoint; `shown` is its address in messages, without secrets."""

    def __init__(self, url: str, key: str | None, shown: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._shown = shown
        self._sleep = time.sleep

    def reply(self, body: dict[str, Any]) -> str:
        """What the model answers to `body`; a busy or broken endpoint is tried four times, ever more slowly.

        Raises JudgeError when it still fails, and at once when it refuses.
        """
        reason, wait = "", 0.0
        for attempt in range(TRIES):
            if attempt:
                self._sleep(min(_LONGEST_PAUSE, wait or _PAUSE * 2 ** (attempt - 1)))
            try:
                status, text, wait = self._post(body)
            except (httpx2.HTTPError, httpx2.InvalidURL) as failure:
                # Its text may hold the address with a key in it, so messages name only its type.
                reason, wait = type(failure).__name__, 0.0
                continue
            if status == 200:
                return self._content(text)
            reason = f"status {status}"
            if status not in _TRY_AGAIN and status < 500:
                raise self._failed(f"the judge's endpoint refuses ({reason})", _hint(status))
        raise self._failed(
            f"the judge's endpoint failed {TRIES} times ({reason})",
            "run the same command again later: what was answered so far is kept",
        )

    def _post(self, body: dict[str, Any]) -> tuple[int, bytes, float]:
        """Status, body and how long the endpoint asks to wait. Redirects would carry the key elsewhere."""
        with (
            httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as client,
            client.stream("POST", self._url, json=body, headers=self._headers) as response,
        ):
            text = b""
            for part in response.iter_bytes():
                text += part
                if len(text) > _LARGEST_REPLY:
                    raise self._failed("the judge's endpoint sends no end of text", "check the address")
            return response.status_code, text, _seconds(response.headers.get("retry-after"))

    def _content(self, text: bytes) -> str:
        try:
            content = parse_json(text, finite=False)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            content = None
        if not isinstance(content, str):
            raise self._failed("the judge's endpoint replies with no chat completion", "check the address")
        return content

    def _failed(self, message: str, hint: str) -> JudgeError:
        return JudgeError(message, subject=self._shown, hint=hint)


def _hint(status: int) -> str:
    if status in (401, 403):
        return "check GAZE_JUDGE_KEY"
    if status == 404:
        return "check GAZE_JUDGE_URL (it ends before /chat/completions) and GAZE_JUDGE_MODEL"
    return "check GAZE_JUDGE_URL and GAZE_JUDGE_MODEL: the model must take pictures"


def _seconds(header: str | None) -> float:
    return float(header) if header is not None and header.isascii() and header.isdigit() else 0.0
