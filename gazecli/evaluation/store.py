"""Evaluations in the cache: every text with its verdict, and the figures that a report shows.

One is found by what was asked for, or by the head set that it steered; both import no torch. The figures are
kept as JSON, whose form is that of the documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from gazecli.cache.artifact import Artifact
from gazecli.cache.artifact_folder import Entry
from gazecli.cache.store import Cache
from gazecli.canonical import is_digest
from gazecli.errors import CacheError
from gazecli.evaluation.trials import Outcome

if TYPE_CHECKING:
    from gazecli.evaluation.examples import Examples

KIND = "evaluation"
METHOD = 2  # raised whenever the same request would give another evaluation
_OUTCOMES = get_args(Outcome)  # stored as their places


@dataclass(frozen=True)
class KeptEvaluation:
    """An evaluation without anything that tells when or where it ran.

    headset: digest of the head set whose heads were steered. model: its model. evaluation, comparison: blocks
    of a report, as JSON. lines: pictures, conditions and texts, one JSON object a line; verdicts: for each
    text the region it describes, if any, and its outcome.
    """

    headset: str
    model: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    comparison: Mapping[str, Any] | None
    lines: str
    verdicts: Sequence[tuple[int | None, str]]
    digest: str = ""
    path: Path | None = None

    def to_artifact(self) -> Artifact:
        """The form that is hashed and stored."""
        regions = [region or 0 for region, _ in self.verdicts]
        outcomes = [_OUTCOMES.index(outcome) for _, outcome in self.verdicts]
        header = {
            "headset": self.headset,
            "model": dict(self.model),
            # The block's comics are listed by the cache, as those of head sets are.
            "comics": {"digest": self.evaluation["comics"]["digest"]},
            "evaluation": dict(self.evaluation),
            "comparison": None if self.comparison is None else dict(self.comparison),
        }
        tensors: dict[str, npt.NDArray[Any]] = {
            "lines": np.frombuffer(self.lines.encode("utf-8"), np.uint8),
            "regions": np.array(regions, np.int32),
            "outcomes": np.array(outcomes, np.uint8),
        }
        return Artifact(KIND, header, tensors)

    @classmethod
    def from_artifact(cls, artifact: Artifact, digest: str, path: Path | None = None) -> KeptEvaluation:
        """Read the stored form; CacheError for what is no evaluation."""
        header, tensors = artifact.header, artifact.tensors
        try:
            pairs = zip(tensors["regions"].tolist(), tensors["outcomes"].tolist(), strict=True)
            verdicts = [(int(region) or None, _OUTCOMES[int(outcome)]) for region, outcome in pairs]
            lines = tensors["lines"].tobytes().decode("utf-8")
            names = ("headset", "model", "evaluation", "comparison")
            headset, model, evaluation, comparison = (header[name] for name in names)
            blocks = (model, evaluation, comparison or {})
            fits = is_digest(headset) and all(isinstance(block, dict) for block in blocks)
        except (KeyError, IndexError, TypeError, ValueError):
            fits = False
        if not fits or artifact.kind != KIND:
            raise malformed(digest)
        return cls(headset, model, evaluation, comparison, lines, verdicts, digest, path)


def keep(cache: Cache, evaluation: KeptEvaluation, request: Mapping[str, Any]) -> KeptEvaluation:
    """Put `evaluation` into the cache as the answer to `request`."""
    digest, path = cache.put(evaluation.to_artifact())
    cache.remember(request, digest)
    return replace(evaluation, digest=digest, path=path)


def found_again(cache: Cache, request: Mapping[str, Any]) -> KeptEvaluation | None:
    """The evaluation that this request gave before, or None."""
    digest = cache.recall(request)
    return _get(cache, digest) if digest is not None else None


def evaluations_of(cache: Cache, headset: str) -> list[KeptEvaluation]:
    """All evaluations of the head set with this digest, newest first; damaged ones count as absent."""
    listed = [each for each in cache.entries() if each.kind == KIND]
    own = [each.digest for each in listed if each.summary.get("headset") == headset]
    return [kept for digest in own if (kept := _get(cache, digest)) is not None]


def accuracies(entries: Sequence[Entry]) -> dict[str, tuple[float, str]]:
    """Of each head set with a judged evaluation: the accuracy of the newest, and in words what it was.

    entries: what the cache has, newest first.
    """
    found: dict[str, tuple[float, str]] = {}
    for entry in entries:
        header = entry.summary
        try:
            block = header["evaluation"]
            gaze = next(each["accuracy"] for each in block["conditions"] if each["name"] == "gaze")
            words = f"{block['task']}, {block['strips']} strip{'s' * (block['strips'] != 1)}"
            found.setdefault(
                str(header["headset"]), (float(gaze), f"{words}, top {block['settings']['top']}")
            )
        except (KeyError, TypeError, ValueError, StopIteration):
            continue
    return found


def evaluation_summary(header: Mapping[str, Any]) -> str | None:
    """One line for a list of what is kept, from an artifact's header; None for another form."""
    try:
        block = header["evaluation"]
        strips, panels, top = block["strips"], block["comics"]["panels"], block["settings"]["top"]
        gaze = [each["accuracy"] for each in block["conditions"] if each["name"] == "gaze"]
        found = f"accuracy {gaze[0]:.3f}" if gaze else "not judged"
        plural = "" if strips == 1 else "s"
        return f"{block['task']}, {strips} strip{plural} of {panels} panels, top {top}, {found}"
    except (KeyError, TypeError, ValueError):
        return None


def evaluation_request(
    headset: str, examples: Examples, settings: Mapping[str, Any], judge: Mapping[str, Any]
) -> dict[str, Any]:
    """The document whose digest finds the kept evaluation.

    settings: what was run, and on what. judge: who judged.
    """
    return {
        "what": "evaluate",
        "method": METHOD,
        "headset": headset,
        "comics": examples.comics.digest,
        "pictures": [[each.name, each.truths, each.sizes] for each in examples.usable],
        "settings": dict(settings),
        "judge": dict(judge),
    }


def judging_request(
    headset: str, lines: str, settings: Mapping[str, Any], judge: Mapping[str, Any]
) -> dict[str, Any]:
    """The document whose digest finds the evaluation of texts that were judged later.

    lines: the texts, with what is known of the pictures. settings: those under which they were written.
    """
    return {
        "what": "judge",
        "method": METHOD,
        "headset": headset,
        "texts": hashlib.sha256(lines.encode("utf-8")).hexdigest(),
        "settings": dict(settings),
        "judge": dict(judge),
    }


def malformed(digest: str) -> CacheError:
    """The error for an artifact that is no evaluation."""
    return CacheError(
        "this evaluation cannot be shown",
        subject=digest,
        hint="evaluate again: gaze evaluate HEADSET COMICS",
        code="evaluation.malformed",
    )


def _get(cache: Cache, digest: str) -> KeptEvaluation | None:
    artifact = cache.get(digest)
    if artifact is None:
        return None
    try:
        return KeptEvaluation.from_artifact(artifact, digest, cache.path_of(digest))
    except CacheError as error:
        cache.warn(f"{error.message} and is ignored: {digest}")
        return None
