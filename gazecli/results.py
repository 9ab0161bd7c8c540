"""What every result can do in Python: become a document, a file, a page in a notebook, a table, a figure.

The one file that looks up: results are made in the rooms below `gazecli/reports/`, and what shows them lies
there. It is imported when a method is called, never before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gazecli.reports.documents.parts import ModelPart
    from gazecli.reports.documents.results import (
        HeadSetDocument,
        PanelsDocument,
        SteerDocument,
        SwitchDocument,
        TrackDocument,
    )


DocumentType = TypeVar("DocumentType", covariant=True)


class Result(Generic[DocumentType]):
    """Something that can be shown and kept."""

    def document(self) -> DocumentType:
        """What the command of its name prints as JSON, as a pydantic document."""
        from gazecli.reports.results import document_of

        document: Any = document_of(self)
        return document  # type: ignore[no-any-return]

    def save(self, path: str | Path, *, overwrite: bool = True) -> Path:
        """Write it in the form that the file's name says; returns the file.

        .json is the document, .html the page, .png, .svg and .pdf a picture of it, .csv its numbers; which
        of them there are depends on what it is. Raises UsageError for others, and for a file that may not be
        replaced, GazeError when writing fails.
        """
        from gazecli.reports.results import save

        return save(self, Path(path), overwrite=overwrite)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from gazecli.reports.results import notebook_html

        return notebook_html(self)


class Numbers(Result[DocumentType]):
    """A result with numbers."""

    def to_frame(self) -> Any:
        """Its numbers as a pandas DataFrame; GazeError where pandas is not installed."""
        from gazecli.reports.results import frame_of

        return frame_of(self)

    def plot(self) -> Figure:
        """Its numbers as a matplotlib figure; UsageError where there are none."""
        from gazecli.reports.results import figure_of

        return figure_of(self)


if TYPE_CHECKING:
    HeadSetResult = Numbers[HeadSetDocument]
    PictureResult = Numbers[PanelsDocument]
    SteerResult = Numbers[SteerDocument]
    SwitchResult = Numbers[SwitchDocument]
    TrackResult = Numbers[TrackDocument]
    ModelResult = Result[ModelPart]
else:  # documents bring pydantic, which is not needed before a result is shown
    HeadSetResult = PictureResult = SteerResult = SwitchResult = TrackResult = Numbers
    ModelResult = Result
