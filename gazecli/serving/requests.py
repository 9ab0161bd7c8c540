"""What clients send, checked: bodies of JSON, pictures as data addresses, how their panels are found.

No file of this machine is opened, and nothing is fetched, because a client names it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue, ValidationError

from gazecli.canonical import parse_json
from gazecli.errors import PictureError, RegionError, UsageError
from gazecli.models.attention.modes import Mode, Scope
from gazecli.pictures.image_files import MAX_PIXELS
from gazecli.pictures.picture import Picture
from gazecli.reports.documents.parts import Part

Body = TypeVar("Body", bound=BaseModel)
_URI_HINT = "write data:image/png;base64,… with the bytes of the picture"


class Panels(Part):
    """How a picture's panels are found: as `--panels`, or as the boxes of `regions`; `spread`: two pages."""

    panels: str | int = "auto"
    regions: list[list[float]] | None = None
    rtl: bool = False
    spread: bool = False


class PictureBody(Panels):
    """A new session: a data address and a name for it, or the number of a picture of the server, from 0."""

    picture: str | int
    name: str = Field(default="picture.png", min_length=1, max_length=200)

    @property
    def how(self) -> Panels:
        """The part about panels."""
        return Panels(panels=self.panels, regions=self.regions, rtl=self.rtl, spread=self.spread)


class AimBody(Part):
    """Where the pointer is: a panel's number, a region spec, or a box."""

    region: int | str | list[float]


class StartBody(Part):
    """How a text is written; the fields of `LiveSettings`."""

    prompt: str | None = None
    heads: Literal["gaze", "random", "all", "nobody"] = "gaze"
    top: int | Literal["auto"] = "auto"
    score: str = "auto"
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    strength: float | str = "auto"
    mode: Mode = "boost-suppress"
    scope: Scope = "answer"
    max_new_tokens: int = 256
    overlay: bool = True


class NoBody(Part):
    """An empty object."""


def parsed(kind: type[Body], data: bytes) -> Body:
    """The body of a request; UsageError, naming the key, for one that is wrong or unknown."""
    try:
        content: JsonValue = parse_json(data)
    except ValueError as error:
        raise UsageError(
            f"the body is not JSON ({str(error)[:100]})", hint="send one object", code="request.invalid"
        ) from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the body"
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(kind.model_fields))
            raise UsageError(
                "the request has an unknown key", subject=key, hint=f"it may have {known}", code="request.key"
            ) from error
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise UsageError(
            f"a key has a wrong value: {message[:160]}",
            subject=key,
            hint="docs/serving.md says what each key takes",
            code="request.invalid",
        ) from error


def spec_of(region: int | str | list[float]) -> str:
    """A region as a spec; RegionError for a mask, which would be a file of this machine."""
    spec = ",".join(f"{edge:.10g}" for edge in region) if isinstance(region, list) else str(region).strip()
    if spec.startswith("@"):
        raise RegionError(
            "a mask is a file, and the server opens no files for clients",
            subject=spec[:80],
            hint="write a box or circle:x,y,r",
        )
    return spec


def bytes_of(uri: str) -> bytes:
    """The bytes of a data address; PictureError for one that is malformed, and for any other address."""
    head, comma, data = uri.partition(",")
    if not head.startswith("data:"):
        raise PictureError(
            "the server fetches no pictures", subject=uri[:80], hint=_URI_HINT, code="picture.remote"
        )
    if not comma or not head.endswith(";base64"):
        raise PictureError("the data address is not in base64", subject=head[:80], hint=_URI_HINT)
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("the data address is damaged", subject=head[:80], hint=_URI_HINT) from error


def picture_of(uri: str, name: str, how: Panels, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a data address; PictureError, RegionError or UsageError."""
    boxes: Any = how.regions
    return Picture.from_bytes(
        bytes_of(uri), name, how.panels, boxes, how.rtl, spread=how.spread, max_pixels=max_pixels
    )


def with_panels(picture: Picture, how: Panels) -> Picture:
    """The same picture with other panels; RegionError or UsageError."""
    boxes: Any = how.regions
    panels = None if how.regions else how.panels
    size = picture.width * picture.height  # allowed before
    found = Picture.from_image(
        picture.image, boxes, panels, how.rtl, spread=how.spread, max_pixels=max(size, 1)
    )
    return Picture(picture.image, found.regions, picture.path, picture.sha256)
