"""The endpoint judge: any OpenAI-compatible vision model decides which region an answer describes.

Replies are kept in the cache, so that a second run sends no request. The key goes into one header and
nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from PIL import Image

from gazecli.cache import Cache
from gazecli.cache.files import JUDGEMENTS, make_folder, read_record, write_record
from gazecli.canonical import document_key
from gazecli.distributed.group import Group
from gazecli.errors import CacheError, UsageError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.chat_client import ChatClient
from gazecli.evaluation.judges.judge import Verdict

URL, KEY, MODEL = "GAZE_JUDGE_URL", "GAZE_JUDGE_KEY", "GAZE_JUDGE_MODEL"
PROMPT = (
    "The pictures above are the numbered parts of one larger picture. Which part does the following text "
    "describe? Reply with that part's number and nothing else, or with 0 if the text fits none of them or "
    "several equally well.\n\nText: {answer}"
)
FORCED = (
    "The pictures above are the numbered parts of one larger picture. Which part does the following text "
    "describe best? Reply with that part's number and nothing else.\n\nText: {answer}"
)
_LARGEST_SIDE = 512
_AT_ONCE = 4
_NUMBER = re.compile(r"\d+", re.ASCII)
_KEY = re.compile(r"[!-~]+")
_NEARBY = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Address:
    """URL, model and key of the judge; neither URL nor key is in its repr, as both may hold secrets."""

    url: str = field(repr=False)
    model: str
    key: str | None = field(repr=False, default=None)

    @classmethod
    def of_environment(cls, variables: Mapping[str, str] = os.environ) -> Address:
        """From GAZE_JUDGE_URL, GAZE_JUDGE_MODEL and, where the endpoint wants one, GAZE_JUDGE_KEY.

        Raises UsageError for what is missing, and for an address to which a key would travel unencrypted.
        """
        for name in (URL, MODEL):
            if not variables.get(name):
                hint = f"--judge endpoint needs {URL} (such as https://host/v1), {MODEL} and perhaps {KEY}"
                raise _unusable(f"{name} is not set", hint)
        key = variables.get(KEY) or None
        if key and not _KEY.fullmatch(key):
            raise _unusable(f"{KEY} holds characters that no key has", "set it again")
        address = cls(variables[URL].rstrip("/"), variables[MODEL], key)
        parts = _parts(address.url)
        if parts is None:
            raise _unusable(f"{URL} is not an http address", "such as https://host/v1")
        if key and parts.scheme == "http" and parts.hostname not in _NEARBY:
            raise _unusable("a key is not sent without encryption", "use https", parts.hostname)
        return address

    @property
    def shown(self) -> str:
        """The address without anything that may be a secret: no user, password or query."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        place = f"{host}:{parts.port}" if parts.port else host
        return urlunsplit((parts.scheme, place, parts.path, "", ""))


def _unusable(message: str, hint: str, subject: str | None = None) -> UsageError:
    return UsageError(message, subject=subject, hint=hint, code="judge.address")


def _parts(url: str) -> SplitResult | None:
    """An http address in parts; None for anything else."""
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


class EndpointJudge:
    """Judges by another model; `requests` counts what was sent and `kept` what the cache had.

    A `forced` one is asked to choose a region whatever the text.
    """

    name = "endpoint"
    independent = True

    def __init__(self, address: Address, cache: Cache, forced: bool = False) -> None:
        self.address = address
        self.prompt = FORCED if forced else PROMPT
        self.chat = ChatClient(f"{address.url}/chat/completions", address.key, address.shown)
        self.folder = cache.root / JUDGEMENTS
        self.cache = cache
        self.requests = 0
        self.kept = 0
        self._added_up = (0, 0)

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """One verdict an answer; a reply that is no number of a region abstains.

        Raises JudgeError when the endpoint keeps failing or refuses.
        """
        crops = [_encoded(crop.image) for crop in example.load().crops()]
        pictures = [hashlib.sha256(crop).hexdigest() for crop in crops]
        paths = {text: self._path(pictures, text) for text in dict.fromkeys(answers)}
        replies = {text: reply for text, path in paths.items() if (reply := _kept(path)) is not None}
        missing = [text for text in paths if text not in replies]
        self.kept += len(replies)
        self.requests += len(missing)
        threads = ThreadPoolExecutor(_AT_ONCE)
        try:
            fetched = threads.map(lambda text: self._ask(crops, text, paths[text]), missing)
            replies |= dict(zip(missing, fetched, strict=True))
        finally:
            # Replies that nobody wants any more are not waited for: an interrupt has to end at once.
            threads.shutdown(wait=False, cancel_futures=True)
        return [_verdict(replies[text], len(crops)) for text in answers]

    def add_up(self, group: Group) -> None:
        """Let `requests` and `kept` count for all processes of `group`; all of them must call this."""
        requests, kept = self._added_up  # stands in every process's counts already
        new = group.gather((self.requests - requests, self.kept - kept))
        self.requests = requests + sum(mine for mine, _ in new)
        self.kept = kept + sum(mine for _, mine in new)
        self._added_up = (self.requests, self.kept)

    def _ask(self, crops: Sequence[bytes], answer: str, path: Path) -> str:
        content: list[dict[str, Any]] = []
        for number, crop in enumerate(crops, 1):
            picture = f"data:image/png;base64,{base64.b64encode(crop).decode('ascii')}"
            content += [
                {"type": "text", "text": f"Part {number}:"},
                {"type": "image_url", "image_url": {"url": picture}},
            ]
        content.append({"type": "text", "text": self.prompt.format(answer=answer)})
        turns = [{"role": "user", "content": content}]
        reply = self.chat.reply({"model": self.address.model, "messages": turns, "temperature": 0})
        self._keep(path, reply)
        return reply

    def _path(self, pictures: Sequence[str], answer: str) -> Path:
        request = {
            "endpoint": self.address.shown,
            "model": self.address.model,
            "prompt": self.prompt,
            "pictures": list(pictures),
            "answer": answer,
        }
        return self.folder / f"{document_key(request)}.json"

    def _keep(self, path: Path, reply: str) -> None:
        try:
            make_folder(self.folder)
            write_record(path, {"name": path.stem, "reply": reply}, durable=False)
        except (OSError, CacheError) as failure:
            self.cache.warn(f"a reply of the judge is not kept: {failure}")


def _kept(path: Path) -> str | None:
    record = read_record(path)
    reply = record.get("reply") if record and record.get("name") == path.stem else None
    return reply if isinstance(reply, str) else None


def _verdict(reply: str, regions: int) -> Verdict:
    """The first number of the reply; scores are 1 for the region it names."""
    found = _NUMBER.search(reply)
    number = int(found[0][:9]) if found else 0
    region = number if 1 <= number <= regions else None
    return Verdict(region, tuple(float(each == region) for each in range(1, regions + 1)))


def _encoded(image: Image.Image) -> bytes:
    """A picture as PNG, no side longer than 512 pixels."""
    small = image.copy()
    small.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()
