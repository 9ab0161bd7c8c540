"""A picture, the texts about it and the attention of the heads at each token, made small enough for a page.

Attention becomes bytes on a grid of cells that follows the image tokens.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Box, Region

if TYPE_CHECKING:
    from gazecli.evaluation.examples import Example
    from gazecli.steering.steer import Answer, Steering
    from gazecli.steering.switch import Narration
    from gazecli.steering.track import Tracking

Floats = npt.NDArray[np.floating]
_MOST_LINES = 64  # cells across or down
_QUALITY = 82


@dataclass(frozen=True)
class SceneText:
    """One text about a picture.

    pieces: what each token adds. attention: (tokens, N) share on each image token. target: the number of the
    region the heads were steered at. notes: lines about it. truth: what that region shows. verdict: what the
    judge made of it, None where nobody judged; right: whether that is a hit.
    """

    title: str
    pieces: Sequence[str]
    attention: Floats = field(repr=False)
    target: int | None = None
    notes: Sequence[str] = ()
    truth: str | None = None
    verdict: str | None = None
    right: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture with its regions and the texts about it.

    boxes: (N, 4) pixels each image token covers. region_table: (N, R) of 0 and 1, tokens in regions.
    """

    name: str
    picture: Picture
    regions: Sequence[Region]
    boxes: Floats = field(repr=False)
    region_table: Floats = field(repr=False)
    unsteered: Sequence[SceneText]
    steered: Sequence[SceneText] = ()

    @property
    def texts(self) -> list[SceneText]:
        """All texts, in the order of the page."""
        return [*self.unsteered, *self.steered]


def scene_of_steering(steering: Steering, truths: Sequence[str] = ()) -> Scene:
    """What `steer` wrote about each region beside what is written unsteered; `truths` has a text a region."""
    known = dict(enumerate(truths, 1))
    plain = []
    if steering.baseline is not None and steering.baseline_maps is not None:
        plain.append(SceneText("Unsteered", steering.baseline_pieces, steering.baseline_maps))
    steered = [
        SceneText(
            f"Steered at region {answer.region.name}",
            answer.pieces,
            answer.maps,
            answer.region.number,
            _notes(answer),
            known.get(answer.region.number),
        )
        for answer in steering.answers
        if answer.maps is not None
    ]
    return _scene(steering, plain, steered)


def _notes(answer: Answer) -> list[str]:
    moved = f"attention on it {answer.attention_baseline:.2f} \u2192 {answer.attention_steered:.2f}"
    return [moved, "unchanged: nearly the words of the unsteered answer"] if answer.unchanged else [moved]


def scene_of_narration(
    narration: Narration, truths: Sequence[str] = (), free: Tracking | None = None
) -> Scene:
    """A narration switched, a text a segment, beside one written freely."""
    known = dict(enumerate(truths, 1))
    plain = [SceneText("Unsteered", free.pieces, free.maps[0])] if free is not None else []
    steered = [
        SceneText(
            f"Steered at region {part.region.name}",
            narration.pieces[part.start : part.end],
            narration.maps[part.start : part.end],
            part.region.number,
            [f"tokens {part.start} to {part.end - 1}"],
            known.get(part.region.number),
        )
        for part in narration.segments
    ]
    return _scene(narration, plain, steered)


def scene_of_tracking(tracking: Tracking) -> Scene:
    """A text written freely, with the attention of the gaze heads and, below, of the others."""
    texts = [SceneText("Gaze heads", tracking.pieces, tracking.maps[0])]
    controls = []
    if tracking.controls:
        note = f"mean over {len(tracking.controls)} draws"
        controls.append(SceneText("Control heads", tracking.pieces, tracking.maps[1:].mean(0), notes=[note]))
    return _scene(tracking, texts, controls)


def _scene(
    result: Steering | Narration | Tracking, unsteered: Sequence[SceneText], steered: Sequence[SceneText]
) -> Scene:
    picture, regions, layout = result.picture, result.regions, result.layout
    table = layout.region_table(regions)
    return Scene(picture.name, picture, regions, layout.boxes.numpy(), table, unsteered, steered)


def scene_of_example(example: Example, generated: Steering | tuple[Narration, Tracking]) -> Scene:
    """A picture of an evaluation, under its strip's name, from what `generate_with_maps` gave for it."""
    truths = example.truths or ()
    if isinstance(generated, tuple):
        narration, free = generated
        return replace(scene_of_narration(narration, truths, free), name=example.name)
    return replace(scene_of_steering(generated, truths), name=example.name)


def attention_data(scene: Scene) -> dict[str, object]:
    """What a page needs to show attention: grid lines in percent, and bytes for cells and regions in base64.

    A cell's byte is its density as a share of the scene's highest, a region's byte its share of attention.
    """
    width, height = scene.picture.width, scene.picture.height
    xs = grid_lines(scene.boxes[:, [0, 2]], width)
    ys = grid_lines(scene.boxes[:, [1, 3]], height)
    rasters = [raster(text.attention, scene.boxes, xs, ys) for text in scene.texts]
    peak = max((float(each.max(initial=0.0)) for each in rasters), default=0.0)
    texts = []
    for text, each in zip(scene.texts, rasters, strict=True):
        shares = np.asarray(text.attention) @ scene.region_table
        texts.append({"cells": _bytes(each / peak if peak > 0 else each), "shares": _bytes(shares)})
    return {
        "xs": [round(float(x) / width * 100, 3) for x in xs],
        "ys": [round(float(y) / height * 100, 3) for y in ys],
        "regions": [region.number for region in scene.regions],
        "texts": texts,
    }


def grid_lines(edges: Floats, length: int) -> Floats:
    """Where boxes begin and end along one axis, rising, in pixels; 64 equal steps if that would be more."""
    known = np.clip(edges[np.isfinite(edges)], 0, length)
    lines = np.unique(np.concatenate([np.round(known, 1), [0.0, float(length)]]))
    return lines if len(lines) <= _MOST_LINES + 1 else np.linspace(0.0, length, _MOST_LINES + 1)


def raster(attention: Floats, boxes: Floats, xs: Floats, ys: Floats) -> Floats:
    """Attention per pixel on a grid: (T, N) over boxes (N, 4) -> (T, cells down, cells across)."""
    known = np.isfinite(boxes).all(1)
    weights, found = np.asarray(attention, dtype=np.float64)[:, known], boxes[known].astype(np.float64)
    across = _overlaps(found[:, 0], found[:, 2], xs)  # (n, X)
    down = _overlaps(found[:, 1], found[:, 3], ys)  # (n, Y)
    mass: Floats = np.einsum("tn,ny,nx->tyx", weights, down, across, optimize=True)
    area = np.diff(ys)[:, None] * np.diff(xs)[None]
    return mass / area


def picture_data(image: Image.Image) -> str:
    """The picture as a data address."""
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def percents(box: Box, picture: Picture) -> tuple[float, float, float, float]:
    """Left, top, width and height of a box in percent of the picture."""
    x0, y0, x1, y1 = box
    across, down = 100 / picture.width, 100 / picture.height
    return (
        round(x0 * across, 3),
        round(y0 * down, 3),
        round((x1 - x0) * across, 3),
        round((y1 - y0) * down, 3),
    )


def _overlaps(starts: Floats, ends: Floats, lines: Floats) -> Floats:
    """The share of each interval that falls between two lines: (n, lines - 1)."""
    lower, upper = lines[None, :-1], lines[None, 1:]
    shared = np.minimum(ends[:, None], upper) - np.maximum(starts[:, None], lower)
    lengths = np.maximum(ends - starts, 1e-9)[:, None]
    parts: Floats = np.clip(shared, 0.0, None) / lengths
    return parts


def _bytes(shares: Floats) -> str:
    whole = np.round(np.clip(shares, 0.0, 1.0) * 255).astype(np.uint8)
    return base64.b64encode(whole.tobytes()).decode("ascii")
