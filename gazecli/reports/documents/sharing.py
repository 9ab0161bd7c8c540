"""Documents of sharing head sets: what was pushed to the Hub, what was pulled, and what there is.

Imports no model library.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gazecli.reports.documents.parts import (
    Count,
    Digest,
    Document,
    Interval,
    ModelPart,
    Number,
    Ordinal,
    Part,
    Share,
    Text,
)
from gazecli.reports.documents.results import SuggestedPart


class FilePart(Part):
    """A file of a repository."""

    name: Text
    bytes: Count
    sha256: Text


class EvidencePart(Part):
    """A kept evaluation, and why it does not support the head set; nothing stands `against` one that does.

    `on_discovery_strips`: whether some of its pictures are known to be among those in which the heads were
    found; `discovery_strips`: how many.
    """

    evaluation: Digest | None
    task: Text
    judge: Text
    pictures: Count
    top: Ordinal
    strength: Number
    accuracy: Share | None
    ci95: Interval | None
    controls: list[Share]
    chance: Share
    on_discovery_strips: bool | None
    discovery_strips: Count | None = None
    against: list[Text]


class PushDocument(Document):
    """`gaze push`: the files of a head set's repository, and what supports it.

    `commit`, `name`, `url`, `private` and `changed` are null where nothing was sent. `name` is what any
    command takes as a head set. `changed`: whether the repository held something else before.
    """

    schema_: Literal["gaze.push/1"] = Field(default="gaze.push/1", alias="schema")
    digest: Digest
    repository: Text
    model: ModelPart
    top: Ordinal
    score: Text
    proven: bool
    evidence: list[EvidencePart]
    files: list[FilePart]
    folder: Text | None = None
    commit: Text | None = None
    name: Text | None = None
    url: Text | None = None
    private: bool | None = None
    pull_request: Text | None = None
    changed: bool | None = None


class ClaimPart(Part):
    """What a repository's card says of one evaluation. Nothing of it was checked."""

    task: Text
    accuracy: Share
    ci95: Interval | None
    controls: list[Share] = Field(strict=False)
    chance: Share | None
    judge: Text | None
    pictures: Count | None


class OnHubPart(Part):
    """A head set that the Hub has; `commit` is the newest."""

    repository: Text
    commit: Text | None
    downloads: Count | None
    updated: Text | None
    claims: list[ClaimPart] = Field(strict=False)


class PulledPart(Part):
    """A head set of the Hub, pinned: `name` is what any command takes as a head set.

    `weights_here`: whether the copy of its model on this machine is the one it was found in; null without a
    copy. `claims` are its card's, empty where the Hub was not asked.
    """

    digest: Digest
    path: Text | None
    name: Text
    repository: Text
    commit: Text
    cached: bool
    model: ModelPart
    suggested: SuggestedPart
    weights_here: bool | None
    claims: list[ClaimPart] = Field(strict=False)


class PullDocument(Document):
    """`gaze pull`: the head set of a repository, or the head sets that the Hub has for a `model`.

    `here` are head sets of that model in the cache, newest first.
    """

    schema_: Literal["gaze.pull/1"] = Field(default="gaze.pull/1", alias="schema")
    action: Literal["pull", "list"]
    pulled: PulledPart | None = None
    model: Text | None = None
    on_hub: list[OnHubPart] = Field(default_factory=list)
    here: list[Digest] = Field(default_factory=list)
