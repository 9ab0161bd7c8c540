"""An evaluation's block of the report becomes what is kept in the cache, and the other way round.

Imports no torch: a report shows kept evaluations without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from gazecli.canonical import canonical_json
from gazecli.evaluation.store import KeptEvaluation, malformed
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
    """The block that a report shows; CacheError for one of foreign make."""
    return _parsed(EvaluationPart, {**kept.evaluation, "digest": kept.digest or None}, kept)


def comparison_of(kept: KeptEvaluation) -> ComparisonPart | None:
    """The selectors that were compared, if any were; CacheError for one of foreign make."""
    return _parsed(ComparisonPart, kept.comparison, kept) if kept.comparison is not None else None


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
