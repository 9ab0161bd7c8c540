"""Turns an evaluation into what the cache keeps, and that into a block of a report; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from gazecli.cache.store import Cache
from gazecli.canonical import canonical_json
from gazecli.errors import CacheError
from gazecli.evaluation.store import KeptEvaluation, evaluations_of, malformed
from gazecli.heads.headset import HeadSet
from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationDocument, EvaluationPart
from gazecli.reports.documents.parts import ModelPart, Part

Block = TypeVar("Block", bound=Part)

# What differs from run to run of the same evaluation, or says where it ran.
_ELSEWHERE = ("digest", "timing", "generations")
_OF_A_RUN = ("endpoint", "requests", "kept")


def kept_evaluation(
    headset: HeadSet,
    part: EvaluationPart,
    comparison: ComparisonPart | None,
    lines: str,
    verdicts: Sequence[tuple[int | None, str]],
) -> KeptEvaluation:
    """What is kept of an evaluation of `headset`, with its texts as JSON lines and a verdict on each."""
    block = part.model_dump(mode="json")
    block |= dict.fromkeys(_ELSEWHERE)
    block["comics"]["path"] = None
    for example in block["examples"]:
        example["path"] = None
    if block["judging"] is not None:
        block["judging"] |= dict.fromkeys(_OF_A_RUN)
    return KeptEvaluation(
        headset.digest,
        headset.model,
        block,
        comparison.model_dump(mode="json") if comparison is not None else None,
        lines,
        verdicts,
    )


def evaluation_of(kept: KeptEvaluation) -> EvaluationPart:
    """The block that a report shows; CacheError for one that gaze did not write."""
    return _parsed(EvaluationPart, {**kept.evaluation, "digest": kept.digest or None}, kept)


def comparison_of(kept: KeptEvaluation) -> ComparisonPart | None:
    """The selectors that were compared, if any were; CacheError for those that gaze did not write."""
    return _parsed(ComparisonPart, kept.comparison, kept) if kept.comparison is not None else None


def kept_blocks(cache: Cache, headset: str) -> list[tuple[EvaluationPart, ComparisonPart | None]]:
    """What is kept of the head set with this digest, newest first; a warning for each that cannot be read."""
    blocks = []
    for kept in evaluations_of(cache, headset):
        try:
            blocks.append((evaluation_of(kept), comparison_of(kept)))
        except CacheError as error:
            cache.warn(f"{error.message} and is ignored: {kept.digest}")
    return blocks


def evaluation_document(
    kept: KeptEvaluation, part: EvaluationPart, comparison: ComparisonPart | None, cached: bool
) -> EvaluationDocument:
    """What `gaze evaluate` prints."""
    return EvaluationDocument(
        digest=kept.digest,
        path=str(kept.path) if kept.path is not None else None,
        cached=cached,
        model=ModelPart(**kept.model),
        headset=kept.headset,
        evaluation=part,
        comparison=comparison,
    )


def _parsed(kind: type[Block], block: Mapping[str, Any], kept: KeptEvaluation) -> Block:
    try:
        return kind.model_validate_json(canonical_json(dict(block)))
    except ValidationError as error:
        raise malformed(kept.digest) from error
