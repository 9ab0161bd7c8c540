"""What documents are made of: strict text and numbers, and the blocks that recur in several of them.

Imports no model library.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer

from gazecli.plain_text import json_escaped, whole
from gazecli.version import VERSION


def _carried(value: object) -> object:
    return whole(str(value)) if isinstance(value, str | PurePath) else value


def _rounded(digits: int) -> BeforeValidator:
    return BeforeValidator(lambda value: round(value, digits) if isinstance(value, float) else value)


def _opened(schema: dict[str, Any]) -> None:
    # A later version may add keys; readers that check against today's schema must not stumble over them.
    schema.pop("additionalProperties", None)


Text = Annotated[str, BeforeValidator(_carried)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Measure = Annotated[Number, _rounded(6)]
Share = Annotated[float, Field(allow_inf_nan=False, ge=0.0, le=1.0 + 1e-6), _rounded(6)]
# A number or more for every token: fewer digits. The rule written last is the first that acts.
TokenMeasure = Annotated[Measure, _rounded(5)]
TokenShare = Annotated[Share, _rounded(5)]
Count = Annotated[int, Field(ge=0)]
Ordinal = Annotated[int, Field(ge=1)]
# Rooms hand over tuples and lists alike; in JSON both are arrays.
Pair = Annotated[tuple[Count, Count], Field(strict=False)]
Interval = Annotated[tuple[Measure, Measure], Field(strict=False)]
Box = Annotated[
    tuple[Number, Number, Number, Number],
    Field(strict=False, description="x0, y0, x1, y1 in pixels of the original picture"),
    PlainSerializer(lambda box: [int(edge) if edge == int(edge) else edge for edge in box]),
]


class Part(BaseModel):
    """A block of a document: strict types, no unknown keys, no NaN or infinity.

    Its fields can be read from any object that has attributes of their names.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        from_attributes=True,
        allow_inf_nan=False,
        defer_build=True,  # most commands use few of the documents they import
        json_schema_extra=_opened,
        json_schema_serialization_defaults_required=True,
    )


class Document(Part):
    """A whole document. `schema` and `gaze` come first."""

    schema_: str = Field(alias="schema")
    gaze: Text = Field(default=VERSION, description="version that wrote the document")

    def json_text(self, *, indent: int | None = None) -> str:
        """The document as JSON text, one line or indented, with a line end."""
        data = self.model_dump(mode="json", by_alias=True)
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
        return json_escaped(text) + "\n"


class LineDocument(Document):
    """A document that may be one line of many, an `id` each; it has none where it stands alone."""

    id: JsonValue = Field(
        default=None, exclude_if=lambda value: value is None, description="of the job, passed through"
    )


class Open(Part):
    """A block to which settings or figures may be added: any further key, any JSON value."""

    model_config = ConfigDict(extra="allow")


class ModelPart(Part):
    """Which checkpoint it was.

    `template`: where prompts were not written by its own chat template, `family` for the published one of its
    family, `none` for the bare question behind the picture.
    """

    name: Text
    id: Text
    revision: Text | None = None
    digest: Text
    family: Text
    layers: Ordinal
    heads: Ordinal
    dtype: Text
    template: Literal["family", "none"] | None = None


class SkippedPart(Part):
    """A strip that was left out, and why; `hint`, of `gaze comics check`: what would let it in."""

    path: Text
    reason: Text
    hint: Text | None = Field(default=None, exclude_if=lambda hint: hint is None)


class TurnedPart(Part):
    """Pictures with an EXIF orientation, by the pixels in which their boxes were annotated.

    stored: in those of the file, so that the boxes were turned with the picture. upright: in those of the
    picture as it is seen. assumed: of how many of them width and height are the same in both.
    """

    stored: Count
    upright: Count
    assumed: Count


class ComicsPart(Part):
    """Which strips they were; `prepared` is what was done to them first, such as `squashed`."""

    path: Text | None
    digest: Text
    strips: Count
    panels: Ordinal
    skipped: list[SkippedPart] = Field(default_factory=list)
    prepared: Text | None = None
    turned: TurnedPart | None = None


class TimingPart(Open):
    """How long it took; rates beside the seconds."""

    seconds: Number


# A bound on the image tokens of each picture, in settings only where one was given.
ImageTokenBound = Annotated[
    Ordinal | None,
    Field(exclude_if=lambda bound: bound is None, description="the most that a picture was allowed"),
]


class SteeringSettings(Open):
    """How steering was done."""

    strength: Number
    mode: Text
    scope: Text
    top: Ordinal
    score: Text
    max_new_tokens: Ordinal
    image_tokens: ImageTokenBound = None
