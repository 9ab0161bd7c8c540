"""`Evaluation`: what was found, as it is kept and found again; imports no torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.cache.store import Cache
from gazecli.errors import UsageError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.store import KeptEvaluation, keep
from gazecli.evaluation.trials import Run
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import headset_of
from gazecli.reports.documents.evaluation import (
    ComparisonPart,
    ConditionPart,
    EvaluationDocument,
    EvaluationPart,
)
from gazecli.reports.files import format_of, refuse_existing, report_text, save_text
from gazecli.reports.generations import generations_text, text_lines
from gazecli.reports.headset import report_document
from gazecli.reports.kept_evaluation import (
    comparison_of,
    evaluation_document,
    evaluation_of,
    kept_evaluation,
)
from gazecli.reports.page.scenes import Scene
from gazecli.reports.results import data_frame, framed
from gazecli.results import Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gazecli.reports.documents.results import ReportDocument

_LOG = logging.getLogger(__name__)
Note = Callable[[str], None]


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation(Numbers[EvaluationDocument]):
    """A kept evaluation, the head set that it steered (a sweep changes its suggestion), and its blocks.

    cached: whether it was found again. scenes: a few of its pictures for a page.
    """

    headset: HeadSet
    kept: KeptEvaluation
    cached: bool
    part: EvaluationPart
    comparison: ComparisonPart | None = None
    scenes: Sequence[Scene] = ()

    @property
    def conditions(self) -> list[ConditionPart]:
        """Accuracy of the gaze heads, the controls and the rest; empty where nobody judged."""
        return self.part.conditions

    @property
    def accuracy(self) -> float | None:
        """How often the gaze heads redirected the answer; None where nobody judged."""
        return next((each.accuracy for each in self.conditions if each.name == "gaze"), None)

    @property
    def texts(self) -> str:
        """Every text as JSON lines, as `gaze evaluate --generations` writes them."""
        return generations_text(self.kept, self.part)

    def __repr__(self) -> str:
        part = self.part
        found = "not judged" if self.accuracy is None else f"accuracy {self.accuracy:.3f}"
        return (
            f"Evaluation({self.kept.digest[:19]}, {part.task} on {part.strips} strips, "
            f"top {part.settings.top} by {part.settings.score}, {found}, chance {part.chance:.3f})"
        )

    def document(self) -> EvaluationDocument:
        """What `gaze evaluate` prints as JSON."""
        return evaluation_document(self.kept, self.part, self.comparison, self.cached)

    def report(self) -> ReportDocument:
        """The report of its head set with this evaluation alone."""
        return report_document(self.headset, evaluations=[self.part], comparison=self.comparison)

    def save(self, path: str | Path, *, overwrite: bool = True) -> Path:
        """Write it as the file's name says: .html, .md, .csv, .tex; .jsonl for every text; else JSON."""
        path = Path(path)
        refuse_existing(path, overwrite)
        form = format_of(path)
        if path.suffix.lower() == ".jsonl":
            save_text(self.texts, path)
        elif form == "json":
            save_text(self.document().json_text(indent=2), path)
        else:
            save_text(report_text(self.report(), form, scenes=self.scenes), path)
        return path

    def _repr_html_(self) -> str:
        return framed(report_text(self.report(), "html", scenes=self.scenes))

    def to_frame(self) -> Any:
        """A row a condition, as a pandas DataFrame; GazeError where pandas is not installed."""
        return data_frame([each.model_dump(exclude={"latency", "per_region"}) for each in self.conditions])

    def plot(self) -> Figure:
        """Accuracy by condition with its intervals; UsageError where nobody judged."""
        from gazecli.reports.figures.evaluation import redirection

        drawn = redirection(self.report())
        if drawn is None:
            raise UsageError(
                "nobody judged this evaluation", hint="judge its texts first: gazecli.judge(...)"
            )
        return drawn


def keep_evaluation(
    cache: Cache,
    headset: HeadSet,
    part: EvaluationPart,
    comparison: ComparisonPart | None,
    examples: Sequence[Example],
    runs: Sequence[Run],
    request: Mapping[str, Any],
) -> Evaluation:
    """Put an evaluation with all its texts into the cache, as the answer to `request`."""
    kept = keep(cache, kept_evaluation(headset, part, comparison, *text_lines(examples, runs)), request)
    part = part.model_copy(update={"digest": kept.digest})
    return Evaluation(headset, kept, False, part, comparison)


def as_kept(
    cache: Cache, headset: HeadSet, kept: KeptEvaluation, comics: str | None, note: Note = _LOG.info
) -> Evaluation:
    """An evaluation of `headset` that was found again; `comics` is where its pictures lie today."""
    note("this evaluation was kept, and is not run again")
    part = evaluation_of(kept)
    part = part.model_copy(update={"comics": part.comics.model_copy(update={"path": comics})})
    steered = headset if kept.headset == headset.digest else headset_of(kept.headset, cache)
    return Evaluation(steered, kept, True, part, comparison_of(kept))
