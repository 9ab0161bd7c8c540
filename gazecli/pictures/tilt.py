"""How far a scanned page lies turned, and blocks of the page set upright in the page as it was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gazecli.pictures.gutters import Block

_STEEPEST, _ANGLES = 2.4, 25  # degrees, and how many are tried on either side together
_BAND = 8  # lines that are shifted as one


def tilt_of(content: NDArray[np.bool_]) -> float:
    """Degrees by which a page lies turned, counter-clockwise; 0 where that shows no more gutters.

    content: (H, W) what is not of the gutters' colour. Sheared by the right angle, most lines are free.
    """
    step = max(1, max(content.shape) // 800)
    small = content[::step, ::step]
    angles = np.linspace(-_STEEPEST, _STEEPEST, _ANGLES)
    free = _free_lines(small, angles) + _free_lines(small.T, -angles)
    best = free.max()
    if best <= 1.2 * free[_ANGLES // 2] + 4:
        return 0.0
    return float(np.median(angles[free >= best - max(1, best // 20)]))


def _free_lines(content: NDArray[np.bool_], degrees: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many lines between the first and the last with content have none, followed at each angle."""
    height, width = content.shape
    number = width // _BAND
    bands = content[:, : number * _BAND].reshape(height, number, _BAND).sum(axis=2, dtype=np.int32).T
    distances = np.arange(number) * _BAND - width / 2
    shifts = np.round(distances * np.tan(np.deg2rad(degrees))[:, None]).astype(int)  # (angles, bands)
    most = int(np.abs(shifts).max(initial=0))
    free = []
    for shift in shifts.tolist():
        counts = np.zeros(height + 2 * most, dtype=np.int32)
        for band, by in zip(bands, shift, strict=True):
            counts[most + by : most + by + height] += band
        filled = np.flatnonzero(counts > 0.02 * width)
        free.append(filled[-1] - filled[0] + 1 - filled.size if filled.size else 0)
    return np.array(free)


def turned(distance: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The same turned clockwise about its middle, corners filled with the gutters' colour."""
    return np.asarray(Image.fromarray(distance).rotate(-degrees, Image.Resampling.NEAREST, fillcolor=0))


def turned_back(block: Block, degrees: float, width: int, height: int) -> Block:
    """What surrounds a block of the turned picture in the picture as it was."""
    x0, y0, x1, y1 = block
    angle = np.deg2rad(-degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width, height]) / 2
    corners = (np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)]) - middle) @ turn.T + middle
    low, high = corners.min(axis=0).round().astype(int), corners.max(axis=0).round().astype(int)
    return max(0, int(low[0])), max(0, int(low[1])), min(width, int(high[0])), min(height, int(high[1]))
