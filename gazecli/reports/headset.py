"""A head set becomes a document: the one `discover` prints, and the one `report` prints."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from pydantic import ValidationError

from gazecli.errors import HeadSetError
from gazecli.heads.headset import Head, HeadSet, overlaps, selections
from gazecli.heads.scores import SCORE_NAMES, ranking
from gazecli.reports.documents.evaluation import ComparisonPart, EvaluationPart, SelectorPart
from gazecli.reports.documents.parts import (
    ComicsPart,
    HeadPart,
    ImportedPart,
    ModelPart,
    SkippedPart,
    SuggestedPart,
    TimingPart,
)
from gazecli.reports.documents.results import (
    DiscoverySettings,
    HeadSetDocument,
    HistogramPart,
    HonestyPart,
    LayerPart,
    MatrixPart,
    ReportDocument,
)

DIGITS = 6
LACKING = ["selectivity", "image mass", "matrices", "label-shuffled null", "split halves", "comics"]
_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "pillow", "accelerate")
_BINS = 40


def headset_document(
    headset: HeadSet, comics_path: str | None = None, skipped: Sequence[tuple[str, str]] = ()
) -> HeadSetDocument:
    """What `discover` prints. `skipped` are (path, reason) of strips that were left out before the walk."""
    timing = dict(headset.timing)
    with _well_formed(headset):
        return HeadSetDocument(
            digest=headset.digest,
            path=_path(headset),
            cached=headset.cached,
            resumed_from=headset.resumed_from,
            model=ModelPart(**headset.model),
            comics=_comics(headset, comics_path, skipped),
            settings=DiscoverySettings(**headset.header["settings"]),
            heads=head_parts(headset),
            suggested=SuggestedPart(**headset.header["suggested"]),
            honesty=_honesty(headset),
            imported=_imported(headset),
            timing=TimingPart.model_validate(timing) if timing else None,
        )


def report_document(
    headset: HeadSet,
    matrices: int = 10,
    evaluations: Sequence[EvaluationPart] = (),
    comparison: ComparisonPart | None = None,
) -> ReportDocument:
    """What `report` prints, with the matrices of the best heads; `evaluations` are newest first."""
    measured = headset.ranked is None
    best = headset.top(min(matrices, headset.image_mass.size)) if measured else []
    with _well_formed(headset):
        return ReportDocument(
            headset=headset.digest,
            path=_path(headset),
            model=ModelPart(**headset.model),
            comics=_comics(headset, None, ()),
            settings=DiscoverySettings(**headset.header["settings"]),
            suggested=SuggestedPart(**headset.header["suggested"]),
            honesty=_honesty(headset),
            imported=_imported(headset),
            heads=head_parts(headset),
            layers=_layers(headset),
            matrices=[_matrix(headset, head) for head in best],
            histogram=_histogram(headset),
            comparison=comparison,
            evaluation=evaluations[0] if evaluations else None,
            evaluations=list(evaluations),
            versions=versions(),
        )


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


def head_parts(headset: HeadSet) -> list[HeadPart]:
    """All heads with their scores, best first by the suggested score."""
    suggested = headset.scores(headset.resolve_score("auto"))
    ordered = ranking(suggested)
    if headset.ranked is not None:
        return [
            HeadPart(
                layer=layer,
                head=head,
                raw=_rounded(suggested[layer, head]),
                selectivity=None,
                image_mass=None,
            )
            for layer, head in ordered
            if np.isfinite(suggested[layer, head])
        ]
    scores = {name: headset.scores(name) for name in SCORE_NAMES if headset.has(name)}
    return [
        HeadPart(
            layer=layer,
            head=head,
            image_mass=_rounded(headset.image_mass[layer, head]),
            **{name: _rounded(score[layer, head]) for name, score in scores.items()},
        )
        for layer, head in ordered
    ]


def _comics(headset: HeadSet, path: str | None, skipped: Sequence[tuple[str, str]]) -> ComicsPart:
    block = headset.header["comics"]
    left_out = [SkippedPart(path=where, reason=reason) for where, reason in skipped]
    left_out += [
        SkippedPart(path=f"strip {s['strip']}", reason=s["reason"]) for s in block.get("skipped", [])
    ]
    return ComicsPart(
        path=path,
        digest=block["digest"],
        strips=block["strips"],
        panels=block.get("panels", headset.panels),
        prepared=block.get("prepared"),
        skipped=left_out,
    )


def _honesty(headset: HeadSet) -> HonestyPart | None:
    block = headset.header.get("honesty")
    return HonestyPart(**block) if block else None


def _imported(headset: HeadSet) -> ImportedPart | None:
    block = headset.header.get("ranking")
    return ImportedPart(sha256=block["sha256"], heads=block["heads"], lacks=LACKING) if block else None


@contextmanager
def _well_formed(headset: HeadSet) -> Iterator[None]:
    """HeadSetError for a head set of foreign make whose header is of another form inside."""
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
            best=_rounded(np.nanmax(row)),
            mean=_rounded(np.nanmean(row)),
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
        edges=[_rounded(edge) for edge in edges],
        heads=np.histogram(raw, edges)[0].tolist(),
        null=[_rounded(count / len(null)) for count in np.histogram(null, edges)[0]],
    )


def _matrix(headset: HeadSet, head: Head) -> MatrixPart:
    rows = headset.matrices[head.layer, head.head]
    return MatrixPart(
        layer=head.layer, head=head.head, matrix=[[_rounded(value) for value in row] for row in rows]
    )


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


def _path(headset: HeadSet) -> str | None:
    return str(headset.path) if headset.path is not None else None
