"""Reports: what a head set is and, from the evaluations kept in the cache, how well it steers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.api.evaluation import Evaluation
from gazecli.cache.store import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, last_headset
from gazecli.reports.csv_table import report_rows
from gazecli.reports.documents.evaluation import ComparisonPart
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.files import SHOWN, format_of, refuse_existing, report_text, save_figures, save_text
from gazecli.reports.headset import against_part, report_document, unsteered_comparison
from gazecli.reports.kept_evaluation import kept_blocks
from gazecli.reports.page.scenes import Scene
from gazecli.reports.results import data_frame, framed
from gazecli.results import Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class Report(Numbers[ReportDocument]):
    """A head set with all evaluations that are kept of it; its tables list the `shown` best heads."""

    headset: HeadSet
    content: ReportDocument
    shown: int = SHOWN
    scenes: Sequence[Scene] = ()

    def __repr__(self) -> str:
        count = len(self.content.evaluations)
        return f"Report({self.headset!r}, {count} evaluation{'' if count == 1 else 's'})"

    def document(self) -> ReportDocument:
        """What `gaze report` prints as JSON."""
        return self.content

    def text(self, form: str = "markdown") -> str:
        """The report as `html`, `markdown`, `csv`, `latex` or `json`."""
        return report_text(self.content, form, self.shown, self.scenes)

    def save(self, path: str | Path, *, overwrite: bool = True) -> Path:
        """Write it as the file's name says: .html, .md, .csv, .tex, else JSON; GazeError when that fails."""
        refuse_existing(Path(path), overwrite)
        save_text(self.text(format_of(Path(path))), Path(path))
        return Path(path)

    def _repr_html_(self) -> str:
        return framed(self.text("html"))

    def to_frame(self) -> Any:
        """The table of the CSV, as a pandas DataFrame; GazeError where pandas is not installed."""
        return data_frame(report_rows(self.content))

    def plot(self) -> Figure:
        """Every head's score; the suggested heads are framed. `figures` has all figures."""
        from gazecli.reports.figures.scores import score_map

        return score_map(self.content)

    def figures(self) -> dict[str, Figure]:
        """All figures there are data for, by name."""
        from gazecli.reports.figures import figures_of

        return {name: figure for name, (figure, _) in figures_of(self.content).items()}

    def save_figures(self, folder: str | Path, *, dpi: int | None = None) -> list[Path]:
        """Write every figure there are data for into a folder, as SVG, PDF and PNG; the files.

        dpi: dots per inch of the PNG files, 200 by default.
        """
        return [Path(name) for name in save_figures(self.content, Path(folder), dpi).figures]


def report(
    headset: HeadSet | str | Path | None = None,
    *,
    top: int = SHOWN,
    compare: bool = False,
    against: HeadSet | str | Path | None = None,
    cache: Cache | None = None,
) -> Report:
    """What a head set is and, from the evaluations kept of it, how well it steers. Loads no model.

    headset: one, its digest, file, or a model (its newest); by default the one used last. top: how many
    heads its tables list. compare: set all ways to choose heads side by side. against: another head set to
    set beside it.

    Raises HeadSetError for a head set that is not there.
    """
    cache = cache if cache is not None else Cache()
    found = last_headset(cache) if headset is None else find_headset(headset, cache)
    other = None if against is None else find_headset(against, cache)
    comparison = unsteered_comparison(found, len(found.top())) if compare else None
    return report_of(found, cache, shown=top, comparison=comparison, against=other, count=top)


def report_of(
    headset: HeadSet,
    cache: Cache,
    *,
    shown: int = SHOWN,
    found: Sequence[Evaluation] = (),
    comparison: ComparisonPart | None = None,
    against: HeadSet | None = None,
    count: int | str = "auto",
) -> Report:
    """The report of a head set: the evaluations `found` just now first, then all that are kept.

    count: how many of the best heads are compared with those of `against`.
    """
    now = {each.kept.digest for each in found}
    blocks = [(each.part, each.comparison) for each in found]
    blocks += [block for block in kept_blocks(cache, headset.digest) if block[0].digest not in now]
    compared = [comparison, *(compared for _, compared in blocks)]
    newest = next((each for each in compared if each is not None), None)
    parts = [part for part, _ in blocks]
    beside = None
    if against is not None:
        others = [part for part, _ in kept_blocks(cache, against.digest)]
        beside = against_part(headset, against, count, parts, others)
    content = report_document(headset, shown, parts, newest, beside)
    return Report(headset, content, shown, found[0].scenes if found else ())
