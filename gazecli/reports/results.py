"""Every result of the library as a document, a file, a page in a notebook, a table and a figure.

`gazecli/results.py` calls this. What computes with a model is imported only for results that come from one.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazecli.errors import GazeError, UsageError
from gazecli.heads.headset import HeadSet
from gazecli.pictures.picture import Picture
from gazecli.plain_text import visible
from gazecli.reports.csv_table import csv_of
from gazecli.reports.documents.parts import Document, ModelPart, Part
from gazecli.reports.documents.results import (
    NumberedRegionPart,
    PanelsDocument,
    PanelsSettings,
    PictureDocument,
    PicturePart,
)
from gazecli.reports.files import png_bytes, refuse_existing, save_bytes, save_figure, save_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from gazecli.models.vlm import VLM
    from gazecli.reports.page.scenes import Scene
    from gazecli.reports.trajectory import Trajectory
    from gazecli.steering.inputs import Origin
    from gazecli.steering.steer import Answer, Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking

Rows = Sequence[Mapping[str, object]]
_HIGH = 560  # pixels of a page in a notebook


@dataclass(frozen=True)
class View:
    """What a result can become; None is what it cannot. element: HTML for a notebook, by default the page."""

    document: Callable[[], Part]
    page: Callable[[], str] | None = None
    image: Callable[[], Image.Image] | None = None
    rows: Callable[[], Rows] | None = None
    figure: Callable[[], Figure] | None = None
    element: Callable[[], str] | None = None

    @property
    def suffixes(self) -> list[str]:
        """Of the files it can be written to."""
        known: dict[str, object] = {".json": self.document, ".html": self.page, ".csv": self.rows}
        known |= {".svg": self.figure, ".pdf": self.figure, ".png": self.image or self.figure}
        return [suffix for suffix, there in known.items() if there is not None]


def document_of(result: object) -> Part:
    """The pydantic document."""
    return view_of(result).document()


def heatmap(result: Answer | Steering | Narration | Tracking, words: Sequence[str] = ()) -> Image.Image:
    """Where the heads looked, painted over the picture: a Pillow image, a row for each answer or segment.

    words: of a tracked text, the spans to show instead of the whole. Raises UsageError for what has no
    heatmap, SpanError for words that were not written.
    """
    from gazecli.reports.heatmap import heatmap_of_tracking
    from gazecli.steering.steer import Answer, Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking, check_spans, find_span

    if isinstance(result, Tracking):
        check_spans(words)
        return heatmap_of_tracking(result, [find_span(result.pieces, each) for each in words]).drawn()
    if words:
        raise UsageError("words are of a tracked text", subject=type(result).__name__, hint="leave them out")
    if not isinstance(result, Answer | Steering | Narration):
        raise UsageError(
            "this has no heatmap",
            subject=type(result).__name__,
            hint="give what steer, steer_regions, switch or track returned",
        )
    drawn = view_of(result).image
    assert drawn is not None
    return drawn()


def notebook_html(result: object) -> str:
    """An HTML element that shows the result."""
    view = view_of(result)
    if view.element is not None:
        return view.element()
    if view.page is not None:
        return framed(view.page())
    assert view.image is not None
    return embedded(view.image())


def frame_of(result: object) -> Any:
    """A pandas DataFrame; GazeError where pandas is not installed."""
    rows = view_of(result).rows
    assert rows is not None
    return data_frame(rows())


def figure_of(result: object) -> Figure:
    """A matplotlib figure."""
    figure = view_of(result).figure
    assert figure is not None
    return figure()


def save(result: object, path: Path, *, overwrite: bool = True) -> Path:
    """Write it in the form of the file's suffix; UsageError for one it has no form for."""
    view, kind = view_of(result), path.suffix.lower()
    kind = ".html" if kind == ".htm" else kind
    if kind not in view.suffixes:
        kept = "; a page needs the attention of every token: with_maps=True" if kind == ".html" else ""
        raise UsageError(
            f"a {type(result).__name__} cannot be written to such a file",
            subject=str(path),
            hint=f"name it *{' or *'.join(view.suffixes)}{kept if view.rows and view.figure else ''}",
            code="output.suffix",
        )
    refuse_existing(path, overwrite)
    if kind == ".json":
        document = view.document()
        whole = document.json_text(indent=2) if isinstance(document, Document) else None
        save_text(whole or f"{document.model_dump_json(indent=2)}\n", path)
    elif kind == ".html" and view.page is not None:
        save_text(view.page(), path)
    elif kind == ".csv" and view.rows is not None:
        save_text(csv_of(view.rows()), path)
    elif kind == ".png" and view.image is not None:
        save_bytes(png_bytes(view.image()), path)
    elif view.figure is not None:
        save_figure(view.figure(), path)
    return path


def data_frame(rows: Rows) -> Any:
    """Rows as a pandas DataFrame; GazeError where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise GazeError(
            "a DataFrame needs pandas, which is not installed",
            hint="run: pip install 'gazecli[frames]'; or save the numbers as *.csv",
            code="pandas.missing",
        ) from error
    return pandas.DataFrame([dict(row) for row in rows])


def framed(page: str) -> str:
    """A whole page inside another: a frame of its own, so that neither changes the other."""
    inner = html.escape(page, quote=True)
    return (
        f'<iframe srcdoc="{inner}" style="width:100%;height:{_HIGH}px;border:0" '
        'sandbox="allow-scripts" loading="lazy"></iframe>'
    )


def embedded(image: Image.Image) -> str:
    """A picture as an HTML element."""
    data = base64.b64encode(png_bytes(image)).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" style="max-width:100%">'


def view_of(result: object) -> View:
    """What `result` can become; TypeError for what is no result of this library."""
    if isinstance(result, HeadSet):
        return _view_of_headset(result)
    if isinstance(result, Picture):
        return _view_of_picture(result)
    from gazecli.models.vlm import VLM
    from gazecli.steering.steer import Answer, Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking

    if isinstance(result, VLM):
        return View(partial(ModelPart.model_validate, result), element=partial(_facts_of_model, result))
    if isinstance(result, Answer):
        return _view_of_steering(_steering_of(result))
    if isinstance(result, Steering):
        return _view_of_steering(result)
    if isinstance(result, Narration):
        return _view_of_narration(result)
    if isinstance(result, Tracking):
        return _view_of_tracking(result)
    raise TypeError(f"no result of gazecli: {type(result).__name__}")


def _view_of_headset(headset: HeadSet) -> View:
    from gazecli.reports.headset import headset_document, report_document

    def page() -> str:
        from gazecli.reports.page.report import report_page

        return report_page(report_document(headset))

    def figure() -> Figure:
        from gazecli.reports.figures.scores import score_map

        return score_map(report_document(headset))

    document = partial(headset_document, headset)
    return View(document, page, rows=lambda: [head.model_dump() for head in document().heads], figure=figure)


def _view_of_picture(picture: Picture) -> View:
    regions = [NumberedRegionPart.model_validate(region) for region in picture.regions]

    def document() -> PanelsDocument:
        settings = PanelsSettings(panels="auto", regions=None, rtl=False, spread=False)
        return PanelsDocument(picture=PicturePart.model_validate(picture), settings=settings, regions=regions)

    def rows() -> Rows:
        edges = ("x0", "y0", "x1", "y1")
        return [
            {"region": each.number, **dict(zip(edges, each.box, strict=True)), "label": each.label}
            for each in regions
        ]

    return View(document, image=picture.drawn, rows=rows)


def _view_of_steering(steering: Steering) -> View:
    from gazecli.reports.heatmap import heatmap_of_steering
    from gazecli.reports.page.scenes import scene_of_steering
    from gazecli.reports.steering import steer_document

    origin = _origin_of(steering.origin)
    where = _named(origin, steering.heads)
    document = partial(steer_document, origin.model, steering, *where)
    seen = any(answer.maps is not None for answer in steering.answers)

    def rows() -> Rows:
        return [
            {
                "region": answer.region.number,
                "text": answer.text,
                "tokens": answer.tokens,
                "attention_baseline": answer.attention_baseline,
                "attention_steered": answer.attention_steered,
                "image_tokens": answer.image_tokens,
            }
            for answer in steering.answers
        ]

    def figure() -> Figure:
        from gazecli.reports.figures.steering import attention_moved

        return attention_moved(document())

    title = f"Answers of {origin.model.name}, steered"
    page = partial(_page_of, document, partial(scene_of_steering, steering), title) if seen else None
    return View(document, page, lambda: heatmap_of_steering(steering).drawn(), rows, figure)


def _view_of_narration(narration: Narration) -> View:
    from gazecli.reports.heatmap import heatmap_of_narration
    from gazecli.reports.page.scenes import scene_of_narration
    from gazecli.reports.steering import switch_document
    from gazecli.reports.trajectory import trajectory_of_narration

    origin = _origin_of(narration.origin)
    document = partial(switch_document, origin.model, narration, *_named(origin, narration.heads))
    title = f"Narration of {origin.model.name}, switched"
    return _view_of_trajectory(
        document,
        partial(_page_of, document, partial(scene_of_narration, narration), title),
        lambda: heatmap_of_narration(narration).drawn(),
        partial(trajectory_of_narration, narration),
    )


def _view_of_tracking(tracking: Tracking) -> View:
    from gazecli.reports.heatmap import heatmap_of_tracking
    from gazecli.reports.page.scenes import scene_of_tracking
    from gazecli.reports.steering import track_document
    from gazecli.reports.trajectory import trajectory_of_tracking

    origin = _origin_of(tracking.origin)
    seeds = list(range(len(tracking.controls)))
    document = partial(track_document, origin.model, tracking, *_named(origin, tracking.heads), seeds)
    title = f"Attention of {origin.model.name} while it writes"
    return _view_of_trajectory(
        document,
        partial(_page_of, document, partial(scene_of_tracking, tracking), title),
        lambda: heatmap_of_tracking(tracking).drawn(),
        partial(trajectory_of_tracking, tracking),
    )


def _view_of_trajectory(
    document: Callable[[], PictureDocument],
    page: Callable[[], str],
    image: Callable[[], Image.Image],
    trajectory: Callable[[], Trajectory],
) -> View:
    def figure() -> Figure:
        from gazecli.reports.figures.trajectory import trajectory_figure

        return trajectory_figure(trajectory())

    return View(document, page, image, lambda: trajectory().rows(), figure)


def _page_of(document: Callable[[], PictureDocument], scene: Callable[[], Scene], title: str) -> str:
    from gazecli.reports.page.report import picture_page

    return picture_page(document(), scene(), title)


def _steering_of(answer: Answer) -> Steering:
    """What the answer is part of, with no other answer."""
    whole = answer.steering
    assert whole is not None, "a Steering notes itself in its answers"
    return whole if len(whole.answers) == 1 else replace(whole, answers=[answer])


def _origin_of(origin: Origin | None) -> Origin:
    assert origin is not None, "results are made by steer, switch and track, which note it"
    return origin


def _named(origin: Origin, heads: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """The digest of the head set that heads are of, and the score that ranked them.

    Heads that were listed are a head set of their own, as on the command line.
    """
    if origin.headset is not None and origin.score is not None:
        return origin.headset, origin.score
    from gazecli.heads.rankings import listed_heads

    listed = listed_heads(heads, origin.model.kept)
    return listed.to_artifact().digest, listed.resolve_score()


def _facts_of_model(vlm: VLM) -> str:
    facts = {
        "model": vlm.name,
        "id": vlm.id,
        "checkpoint": vlm.digest,
        "family": vlm.family,
        "layers x heads": f"{vlm.layers} x {vlm.heads}",
        "dtype": vlm.dtype,
        "device": vlm.device,
    }
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{html.escape(visible(str(value)))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{cells}</table>"
