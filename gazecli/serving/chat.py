"""`POST /v1/chat/completions` as of OpenAI: one picture, one question, and a `gaze` object that steers.

Defaults and answers are those of `gaze steer`. Without `gaze` nothing is steered.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gazecli.errors import GazeError, PictureError, UsageError
from gazecli.heads.headset import Head, HeadSet
from gazecli.models.attention.modes import Mode, Scope
from gazecli.models.inference.generate import ByToken, Limits, generate_by_token
from gazecli.pictures.picture import Picture
from gazecli.reports.documents.parts import Pair, Part
from gazecli.reports.steering import steer_document
from gazecli.serving.answers import Arrivals, JSONAnswer, error_part, event_line
from gazecli.serving.engine import Engine
from gazecli.serving.requests import Panels, parsed, picture_of, spec_of
from gazecli.steering.settings import STATIC_PROMPT, SteerSettings, check_request, question_for
from gazecli.steering.steer import Steering, steer_by_token
from gazecli.steering.toy_models import toy_warning

_DEFAULT = SteerSettings()


class GazeBody(Panels):
    """Where the heads look, and how they are steered; as the options of `gaze steer`.

    heads: the head set's best, as many random ones of the same layers (`seed` draws them), all of the model,
    or a list of layer and head. baseline: also write the unsteered answer, beside which one is `unchanged`.
    """

    region: int | str | list[float] | None = None
    heads: Literal["gaze", "random", "all"] | list[Pair] = "gaze"
    top: int | Literal["auto"] = "auto"
    score: str = "auto"
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    strength: float | str = "auto"
    mode: Mode = _DEFAULT.mode
    scope: Scope = _DEFAULT.scope
    baseline: bool = True

    def choose(self, engine: Engine, headset: HeadSet) -> list[Head]:
        """The heads to steer; UsageError for an impossible number of them."""
        if isinstance(self.heads, list):
            return [Head(*pair) for pair in self.heads]
        if self.heads == "all":
            return [
                Head(layer, head) for layer, count in engine.vlm.heads_of.items() for head in range(count)
            ]
        choose = headset.top if self.heads == "gaze" else lambda k, s: headset.controls(k, self.seed, s)
        return choose(self.top, self.score)


class TextPart(Part):
    """A question, or a part of it."""

    type: Literal["text"]
    text: str


class ImageURL(Part):
    """A picture as a data address; `detail` changes nothing."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Part):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageURL


class Message(Part):
    """The one message of a conversation."""

    role: Literal["user"]
    content: str | list[TextPart | ImagePart]


class StreamOptions(Part):
    """Whether a stream ends with the numbers of tokens."""

    include_usage: bool = False


class ChatBody(Part):
    """What is asked. Texts are written greedily: a temperature may be given, and must be 0."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=1)
    gaze: GazeBody | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: Literal[0] | None = None
    n: Literal[1] = 1
    seed: int | None = None
    user: str | None = None

    def asked(self) -> tuple[str, str]:
        """The picture's address and the question, perhaps empty; PictureError unless there is one picture."""
        content = self.messages[0].content
        parts = [] if isinstance(content, str) else content
        pictures = [part.image_url.url for part in parts if isinstance(part, ImagePart)]
        if len(pictures) != 1:
            raise PictureError(
                f"the message has {len(pictures)} pictures, and only one is allowed",
                hint="add one image_url with a data address",
                code="picture.missing" if not pictures else "picture.several",
            )
        words = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        return pictures[0], words


class Chat:
    """The API for programs."""

    def __init__(self, engine: Engine, headset: HeadSet, most_pixels: int) -> None:
        self.engine = engine
        self.headset = headset
        self.most_pixels = most_pixels
        self.routes = [
            Route("/v1/models", self.models),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
        ]

    async def models(self, _request: Request) -> Response:
        """The one model."""
        model = {"id": self.engine.vlm.name, "object": "model", "created": 0, "owned_by": "gaze"}
        return JSONAnswer({"object": "list", "data": [model]})

    async def complete(self, request: Request) -> Response:
        """Answer a question about a picture."""
        body = parsed(ChatBody, await request.body())
        if body.model not in (self.engine.vlm.name, self.engine.vlm.id):
            hint = f"this server has {self.engine.vlm.name}"
            raise GazeError(
                "there is no such model here", subject=body.model[:80], hint=hint, code="model.unknown"
            )
        uri, question = body.asked()
        how = body.gaze or Panels()
        picture = await run_in_threadpool(picture_of, uri, "image_url", how, self.most_pixels)
        completion = _Completion(self, body, picture, question)
        arrivals = Arrivals(self.engine, completion.steps, 0 if body.gaze is None else 1)
        if body.stream:
            # The first token, or what is wrong with the request, comes before the status is sent.
            pieces = arrivals.pieces()
            first = await anext(pieces)
            return StreamingResponse(completion.lines(first, pieces), media_type="text/event-stream")
        answer = asyncio.ensure_future(arrivals.result())
        gone = asyncio.ensure_future(_disconnected(request))
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answer.done():
            arrivals.text.cancel()
            answer.cancel()
            return Response(status_code=499)
        return JSONAnswer(completion.whole(answer.result()))


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Completion:
    """One answer, whole or in chunks."""

    def __init__(self, chat: Chat, body: ChatBody, picture: Picture, question: str) -> None:
        self.vlm = chat.engine.vlm
        self.engine = chat.engine
        self.headset = chat.headset
        self.body = body
        self.picture = picture
        given = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
        self.longest = _DEFAULT.max_new_tokens if given is None else given
        self.settings = SteerSettings(question or STATIC_PROMPT, max_new_tokens=self.longest)
        self.head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": self.vlm.name,
        }
        self.prompt_tokens = 0
        toy = toy_warning(self.vlm, picture)
        self.warnings = [] if toy is None else [toy]
        if body.gaze is None:
            check_request(self.settings.prompt, self.longest)
            return
        gaze = body.gaze
        strength = self.headset.resolve_strength(gaze.strength)
        if gaze.region is None:
            hint = "add gaze.region, or leave gaze out"
            raise UsageError("no region is named", hint=hint, code="usage.region")
        self.target = picture.region(spec_of(gaze.region), len(picture.regions) + 1)
        question = question or question_for(picture, [self.target])
        self.settings = SteerSettings(question, strength, gaze.mode, gaze.scope, self.longest)
        self.heads = gaze.choose(chat.engine, chat.headset)
        self.settings.check_heads(self.vlm, self.heads)

    def steps(self) -> ByToken[Steering | list[int]]:
        """The text, a token at a time; in the engine's thread."""
        kept = self.engine.kept(self.picture)
        inputs, layout = kept.prepare(self.settings.prompt)
        self.prompt_tokens = layout.length
        if self.body.gaze is None:
            limits = Limits(self.longest)
            written = yield from generate_by_token(self.vlm, inputs, layout, None, 1, limits, kept=kept)
            return written[0]
        return (
            yield from steer_by_token(
                self.vlm,
                self.picture,
                [self.target],
                self.heads,
                self.settings,
                with_baseline=self.body.gaze.baseline,
                kept=kept,
            )
        )

    def whole(self, result: Steering | list[int]) -> dict[str, Any]:
        """The answer in one piece."""
        text, tokens, gaze = self._of(result)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": self._reason(tokens),
            "logprobs": None,
        }
        answer = {**self.head, "object": "chat.completion", "choices": [choice], "usage": self._usage(tokens)}
        return answer if gaze is None else {**answer, "gaze": gaze}

    async def lines(self, first: Any, pieces: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        """The answer as chunks; white space around it is left out, as in one piece."""
        yield self._chunk({"role": "assistant", "content": ""})
        held, begun, what = "", False, first
        try:
            while isinstance(what, str):
                text = held + what
                shown = text.rstrip() if begun else text.strip()
                held = text[len(text.rstrip()) :] if begun or shown else ""
                if shown:
                    begun = True
                    yield self._chunk({"content": shown})
                what = await anext(pieces)
        except GazeError as error:
            yield event_line({"error": error_part(error)})
            return
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]
        _, tokens, gaze = self._of(what)
        yield self._chunk({}, self._reason(tokens), gaze)
        if self.body.stream_options is not None and self.body.stream_options.include_usage:
            yield event_line({**self.head, **_CHUNK, "choices": [], "usage": self._usage(tokens)})
        yield event_line("[DONE]")

    def _of(self, result: Steering | list[int]) -> tuple[str, int, dict[str, Any] | None]:
        """Text, tokens, and how attention moved; of a text that is not steered, warnings if there are any."""
        if not isinstance(result, Steering):
            said = {"warnings": self.warnings} if self.warnings else None
            return self.vlm.decode(result).strip(), len(result), said
        assert self.body.gaze is not None
        answer = result.answers[0]
        score = self.headset.resolve_score(self.body.gaze.score)
        document = steer_document(self.vlm, result, self.headset.digest, score).model_dump(mode="json")
        same = ("headset", "heads", "settings", "regions", "picture", "baseline", "warnings")
        gaze = {name: document[name] for name in same}
        told = {name: document["answers"][0][name] for name in ("attention_on_region", "unchanged")}
        gaze |= {"region": answer.region.number, **told}
        return answer.text, answer.tokens, gaze

    def _chunk(
        self, delta: dict[str, Any], reason: str | None = None, gaze: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        chunk = {**self.head, **_CHUNK, "choices": [choice]}
        return event_line(chunk if gaze is None else {**chunk, "gaze": gaze})

    def _reason(self, tokens: int) -> str:
        return "length" if tokens >= self.longest else "stop"

    def _usage(self, tokens: int) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": self.prompt_tokens + tokens,
        }


_CHUNK = {"object": "chat.completion.chunk"}
