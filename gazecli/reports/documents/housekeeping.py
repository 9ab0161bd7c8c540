"""Documents of housekeeping: errors, known models, the state of this machine, the cache, comics folders.

Imports no model library.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from gazecli.reports.documents.parts import (
    Count,
    Digest,
    Document,
    LineDocument,
    Number,
    Ordinal,
    Part,
    Share,
    SkippedPart,
    Text,
)


class Failure(Part):
    """What happened, to which thing, and what to do next; `code` is stable."""

    code: Text
    message: Text
    hint: Text | None
    subject: Text | None
    traceback: Text | None = None


class ServeDocument(Document):
    """`gaze serve`, as soon as it listens. `page` holds a token; `key` is None when it is your own."""

    schema_: Literal["gaze.serve/1"] = Field(default="gaze.serve/1", alias="schema")
    page: Text
    api: Text
    key: Text | None
    host: Text
    port: Count
    model: Text
    headset: Digest


class ErrorDocument(LineDocument):
    """Any command that fails while printing JSON, on standard error; of many pictures, one that failed."""

    schema_: Literal["gaze.error/1"] = Field(default="gaze.error/1", alias="schema")
    error: Failure


class PublishedPart(Part):
    """Figures of the paper: how many heads steer best, and the accuracy in per cent."""

    top: Ordinal
    gaze: Number
    control: Number | None


class KnownModel(Part):
    """A row of the catalogue; `note` says what keeps a model from running, where something does.

    `unchecked`: layers and heads were not compared with the published config.json.
    """

    alias: Text
    id: Text
    family: Text
    layers: Ordinal | None
    heads: Ordinal | None
    on_this_machine: bool
    published: PublishedPart | None
    note: Text | None = None
    unchecked: bool = False


class ModelsDocument(Document):
    """`gaze models`: names that need not be typed in full."""

    schema_: Literal["gaze.models/1"] = Field(default="gaze.models/1", alias="schema")
    models: list[KnownModel]


class CheckPart(Part):
    """One thing that was checked; a warning need not hold for every model."""

    name: Text
    status: Literal["ok", "note", "warning", "failed"]
    finding: Text
    hint: Text | None = None


class DoctorDocument(Document):
    """`gaze doctor`: whether everything needed is there and works."""

    schema_: Literal["gaze.doctor/1"] = Field(default="gaze.doctor/1", alias="schema")
    ok: bool
    checks: list[CheckPart]


class DefaultPart(Part):
    """Which head set a model's name means, and which is steered where nothing is named (`last`).

    `why`: `set` by `gaze cache default`, or `newest`: found, pulled or used last.
    """

    why: Literal["set", "newest"]
    last: bool = False


class ArtifactPart(Part):
    """One thing kept in the cache; `summary`: an evaluation's result, or on what a head set was found.

    `origin`: from which commit of the Hub a head set was pulled. Of head sets: `top`, how many heads are
    suggested; `accuracy` of the newest evaluation with it, null for none; `default`, null where its model's
    name means another; `made_with`, the versions that made it.
    """

    digest: Digest
    kind: Text
    path: Text
    bytes: Count
    age_seconds: Number
    model: Text | None = None
    comics: Text | None = None
    summary: Text | None = None
    origin: Text | None = None
    top: Count | None = None
    accuracy: Share | None = None
    default: DefaultPart | None = None
    made_with: dict[Text, Text] = Field(default_factory=dict)


class RemovedPart(Part):
    """A file taken away, or one that would be; `digest` is null for what is no artifact."""

    path: Text
    bytes: Count
    kind: Text
    digest: Digest | None


class DamagePart(Part):
    """A file that is not what its name says."""

    path: Text
    reason: Text


class CacheDocument(Document):
    """`gaze cache …`: what is kept at `path`, and what was done with it."""

    schema_: Literal["gaze.cache/1"] = Field(default="gaze.cache/1", alias="schema")
    action: Literal["ls", "show", "path", "verify", "rm", "prune", "import", "export", "default"]
    path: Text
    artifacts: list[ArtifactPart] = Field(default_factory=list)
    removed: list[RemovedPart] = Field(default_factory=list)
    damaged: list[DamagePart] = Field(default_factory=list)
    dry_run: bool = False
    header: dict[str, JsonValue] | None = None
    file: Text | None = None


class SourcePart(Part):
    """The data set that comics were fetched from: its name on the Hub, the commit, the card's license."""

    dataset: Text
    revision: Text
    license: Text | None


class FoundPart(Part):
    """How many panels a strip has; None where they could not be counted. `used`: whether it can be used."""

    strip: Text
    panels: Count | None
    used: bool


class FoundCountPart(Part):
    """How many strips have this many panels."""

    panels: Count
    strips: Count


class ComicsDocument(Document):
    """`gaze comics make|check|fetch`: a comics folder, as the other commands would read it.

    `found` and `histogram`, the most frequent number first, are of `check`, which counts panels.
    """

    schema_: Literal["gaze.comics/1"] = Field(default="gaze.comics/1", alias="schema")
    action: Literal["make", "check", "fetch"]
    path: Text
    layout: Text
    panels: Ordinal
    strips: Count
    captioned: Count
    digest: Text
    skipped: list[SkippedPart]
    found: list[FoundPart] = Field(default_factory=list)
    histogram: list[FoundCountPart] = Field(default_factory=list)
    warnings: list[Text] = Field(default_factory=list)
    seed: int | None = None
    source: SourcePart | None = None
