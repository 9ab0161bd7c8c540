"""A head set becomes a document: the one `discover` prints, and the one `report` prints."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from pydantic import ValidationError

from gazecli.errors import HeadSetError
from gazecli.heads.headset import HeadSet, overlaps, selections
from gazecli.heads.scores import SCORE_NAMES, UNTESTED, ranking
from gazecli.heads.shared_heads import shared_heads
from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationPart, SelectorPart
from gazecli.reports.documents.parts import TimingPart
from gazecli.reports.documents.results import (
    AgainstPart,
    HeadSetDocument,
    HistogramPart,
    LayerPart,
    MatrixPart,
    ReportDocument,
    SteeredBothPart,
    SuggestedPart,
)
from gazecli.reports.methods import methods_text

_LACKING = ["selectivity", "image mass", "matrices", "label-shuffled null", "split halves", "comics"]
_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "pillow", "accelerate")
_BINS = 40


def headset_document(
    headset: HeadSet, comics_path: str | None = None, skipped: Sequence[tuple[str, str]] = ()
) -> HeadSetDocument:
    """What `discover` prints. `skipped` are (path, reason) of strips that were left out before the walk."""
    with _well_formed(headset):
        return HeadSetDocument(
            digest=headset.digest,
            cached=headset.cached,
            resumed_from=headset.resumed_from,
            timing=TimingPart.model_validate(headset.timing) if headset.timing else None,
            **_shared(headset, comics_path, skipped),
        )


def report_document(
    headset: HeadSet,
    matrices: int = 10,
    evaluations: Sequence[EvaluationPart] = (),
    comparison: ComparisonPart | None = None,
    against: AgainstPart | None = None,
) -> ReportDocument:
    """What `report` prints, with the matrices of the best heads; `evaluations` are newest first."""
    measured = headset.ranked is None
    best = headset.top(min(matrices, headset.image_mass.size)) if measured else []
    with _well_formed(headset):
        document = ReportDocument(
            headset=headset.digest,
            layers=_layers(headset),
            matrices=[
                MatrixPart(layer=layer, head=head, matrix=headset.matrices[layer, head].tolist())
                for layer, head in best
            ],
            histogram=_histogram(headset),
            comparison=comparison,
            against=against,
            evaluation=evaluations[0] if evaluations else None,
            evaluations=list(evaluations),
            versions=versions(),
            **_shared(headset),
        )
        document = document.model_copy(update={"suggested": _suggested(document.suggested, evaluations)})
        return document.model_copy(update={"methods": methods_text(document)})


def against_part(
    one: HeadSet,
    other: HeadSet,
    k: int | str = "auto",
    evaluations: Sequence[EvaluationPart] = (),
    others: Sequence[EvaluationPart] = (),
) -> AgainstPart:
    """`other` beside `one`: heads shared in the top `k`, and evaluations that both have, newest first.

    Raises HeadSetError for head sets of different shape, UsageError for an impossible `k`.
    """
    shared = shared_heads(one, other, k)
    theirs = {_same(each): each for each in reversed(others)}
    mine = {_same(each): each for each in reversed(evaluations)}
    steering = []
    for same in reversed([same for same in mine if same in theirs]):
        gaze, beside = (
            next((part for part in side[same].conditions if part.name == "gaze"), None)
            for side in (mine, theirs)
        )
        if gaze is not None and beside is not None:
            task, judge, comics, _ = same
            steering.append(
                SteeredBothPart(
                    task=task,
                    judge=judge,
                    comics=comics,
                    accuracy=gaze.accuracy,
                    ci95=gaze.ci95,
                    against_accuracy=beside.accuracy,
                    against_ci95=beside.ci95,
                )
            )
    with _well_formed(other):
        own = {"headset": other.digest, "model": dict(other.model), "kind": other.kind, "steering": steering}
        return AgainstPart.model_validate({**vars(shared), **own})


def _suggested(suggested: SuggestedPart, evaluations: Sequence[EvaluationPart]) -> SuggestedPart:
    """The suggestion, whose reason says what the kept evaluations tested of it."""
    if not evaluations or UNTESTED not in suggested.why:
        return suggested
    for each in evaluations:
        if (each.settings.top, each.settings.score) == (suggested.top, suggested.score):
            gaze = next((part for part in each.conditions if part.name == "gaze"), None)
            if gaze is None:
                tested = f"Steered on {each.strips} pictures, not judged yet"
            else:
                tested = f"Tested by steering: accuracy {gaze.accuracy:.3f} on {each.strips} pictures"
            break
    else:
        tried = ", ".join(f"top {each.settings.top} by {each.settings.score}" for each in evaluations)
        tested = f"These heads are {UNTESTED[0].lower()}{UNTESTED[1:]}; the evaluations steered {tried}"
    return suggested.model_copy(update={"why": suggested.why.replace(UNTESTED, tested)})


def _same(evaluation: EvaluationPart) -> tuple[str, str, str, int]:
    """What two evaluations have in common that can be set side by side."""
    return evaluation.task, evaluation.judge, evaluation.comics.digest, evaluation.strips


def unsteered_comparison(headset: HeadSet, k: int) -> ComparisonPart:
    """Selectors side by side, without steering any."""
    chosen = selections(headset, k)
    return ComparisonPart(
        k=k,
        selectors=[
            SelectorPart.model_validate({"score": score, "heads": heads}) for score, heads in chosen.items()
        ],
        overlap=overlaps(list(chosen.values())),
    )


def versions() -> dict[str, str]:
    """Of Python and of the libraries that compute anything."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _shared(
    headset: HeadSet, comics_path: str | None = None, skipped: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """What both documents say; TypeError, KeyError or AttributeError where the header is malformed."""
    header = headset.header
    comics, ranking_file = header["comics"], header.get("ranking")
    left_out = [(f"strip {each['strip']}", each["reason"]) for each in comics.get("skipped", [])]
    imported = None
    if ranking_file:
        imported = {"sha256": ranking_file["sha256"], "heads": ranking_file["heads"], "lacks": _LACKING}
    return {
        "path": headset.path,
        "model": headset.model,
        "comics": {
            "path": comics_path,
            "digest": comics["digest"],
            "strips": comics["strips"],
            "panels": comics.get("panels", headset.panels),
            "prepared": comics.get("prepared"),
            "skipped": [{"path": path, "reason": reason} for path, reason in [*skipped, *left_out]],
        },
        "settings": {**header["settings"], "prompt": headset.question or ""},
        "suggested": header["suggested"],
        "honesty": header.get("honesty") or None,
        "imported": imported,
        "kind": headset.kind,
        "made_with": headset.made_with,
        "heads": _heads(headset),
    }


def _heads(headset: HeadSet) -> list[dict[str, Any]]:
    """All heads with their scores, best first by the suggested score."""
    suggested = headset.scores(headset.resolve_score("auto"))
    scores = {"raw": suggested}
    if headset.ranked is None:
        scores = {name: headset.scores(name) for name in SCORE_NAMES if headset.has(name)}
        scores["image_mass"] = headset.image_mass
    unknown = {"selectivity": None, "image_mass": None}
    return [
        {
            "layer": layer,
            "head": head,
            **unknown,
            **{name: float(score[layer, head]) for name, score in scores.items()},
        }
        for layer, head in ranking(suggested)
        if np.isfinite(suggested[layer, head])  # an imported ranking need not list every head
    ]


@contextmanager
def _well_formed(headset: HeadSet) -> Iterator[None]:
    """HeadSetError for a head set whose header has another form inside."""
    try:
        yield
    except (ValidationError, TypeError, KeyError, AttributeError) as error:
        raise HeadSetError(
            "this head set's header is malformed",
            subject=headset.digest,
            hint="discover it again, or import it from a good copy",
            code="headset.malformed",
        ) from error


def _layers(headset: HeadSet) -> list[LayerPart]:
    scores = headset.scores(headset.resolve_score("auto"))
    top = headset.top()
    return [
        LayerPart(
            layer=layer,
            heads_in_top=sum(head.layer == layer for head in top),
            best=float(np.nanmax(row)),
            mean=float(np.nanmean(row)),
        )
        for layer, row in enumerate(scores)
        if np.isfinite(row).any()  # an imported ranking need not list a head of every layer
    ]


def _histogram(headset: HeadSet) -> HistogramPart | None:
    raw, null = headset.scores("raw"), headset.null
    if not null.size or headset.ranked is not None:
        return None
    highest = max(float(raw.max()), float(null.max()), 1e-9)
    edges = np.linspace(0.0, highest, _BINS + 1)
    return HistogramPart(
        edges=edges.tolist(),
        heads=np.histogram(raw, edges)[0].tolist(),
        null=(np.histogram(null, edges)[0] / len(null)).tolist(),
    )
