"""Evaluations as `gaze evaluate` keeps them, of whatever figures a test wants."""

from __future__ import annotations

from typing import Any

from gazecli.cache import Cache
from gazecli.evaluation.store import keep
from gazecli.heads.headset import HeadSet
from gazecli.reports.documents.evaluation import ConditionPart, EvaluationPart
from gazecli.reports.kept_evaluation import kept_evaluation
from tests.reports.samples import condition, report


def evaluation(
    accuracy: float = 0.9,
    ci95: tuple[float, float] = (0.8, 0.95),
    controls: tuple[float, ...] = (0.3, 0.4),
    **changes: Any,
) -> EvaluationPart:
    """One of two panels, so that chance is 0.5; `changes` are those of the block."""
    (part,) = report().evaluations
    drawn: list[ConditionPart] = [
        condition("gaze", accuracy).model_copy(update={"ci95": ci95}),
        *(condition("control", share, seed) for seed, share in enumerate(controls)),
        condition("unsteered", 0.1),
    ]
    return part.model_copy(update={"conditions": drawn, "choice": None, "sweep": [], **changes})


def keep_evaluation(cache: Cache, headset: HeadSet, part: EvaluationPart) -> str:
    """Put it into the cache as one of `headset`, and return its digest."""
    number = len(cache.entries())
    return keep(cache, kept_evaluation(headset, part, None, "", []), {"evaluation": number}).digest
