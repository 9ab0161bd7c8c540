"""Sums over strips that come out the same digits in whatever order and however divided they are added.

Each summand is rounded to a multiple of 2^-40, a hundred-thousandth of float32's own rounding: float64 adds
such numbers without any error up to 8192 strips, so interrupted and shared walks end like plain ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gazecli.heads.scores import SHUFFLES, image_z, row_normalised, shuffled_scores

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
_SUMS = ("raw", "shape", "mass", "null", "image_z", "spatial")
_STEPS = 2.0**40


@dataclass
class Sums:
    """What has been added up so far.

    raw: (2, L, H, P, P) over even and odd strips, shape: (L, H, P, P) of normalised rows, mass: (L, H)
    attention on all image tokens, null: (R, L, H) shuffled gaze scores, image_z: (L, H) the same as z-scores,
    spatial: (3, L, H) entropies of maps, peaks at the bottom, maps. walked: numbers of the strips walked,
    skipped ones included; counts: strips added to each half; skipped: strip number and reason.
    """

    raw: Float64
    shape: Float64
    mass: Float64
    null: Float64
    image_z: Float64
    spatial: Float64
    counts: list[int] = field(default_factory=lambda: [0, 0])
    walked: set[int] = field(default_factory=set)
    skipped: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, layers: int, heads: int, panels: int) -> Sums:
        """Nothing added yet."""
        return cls(
            raw=np.zeros((2, layers, heads, panels, panels)),
            shape=np.zeros((layers, heads, panels, panels)),
            mass=np.zeros((layers, heads)),
            null=np.zeros((SHUFFLES, layers, heads)),
            image_z=np.zeros((layers, heads)),
            spatial=np.zeros((3, layers, heads)),
        )

    @property
    def done(self) -> int:
        """Strips walked."""
        return len(self.walked)

    @property
    def added(self) -> int:
        """Strips added."""
        return sum(self.counts)

    def add(self, number: int, masses: Float64, seed: int) -> None:
        """Add strip `number`: (L, H, P, P + 4), question's panel x the columns of `heads.measure`."""
        matrices, mass, spread = masses[..., :-4], masses[..., -4], masses[..., -3:]
        half = number % 2
        self.raw[half] += _summand(matrices)
        self.shape += _summand(row_normalised(matrices))
        self.mass += _summand(mass.mean(-1))
        self.image_z += _summand(image_z(mass))
        self.spatial += _summand(np.moveaxis(spread.sum(-2), -1, 0))
        self.null += _summand(shuffled_scores(matrices, seed, number))
        self.counts[half] += 1
        self.walked.add(number)

    def skip(self, number: int, reason: str) -> None:
        """Count strip `number`, which could not be read."""
        self.skipped[number] = reason
        self.walked.add(number)

    def with_batch(self, batch: Sequence[tuple[int, Float64 | str]], seed: int) -> Sums:
        """A copy with these numbered strips added, or skipped for the reason that stands in their place."""
        grown = deepcopy(self)
        for number, strip in batch:
            if isinstance(strip, str):
                grown.skip(number, strip)
            else:
                grown.add(number, strip, seed)
        return grown

    def join(self, other: Sums) -> bool:
        """Add the sums of other strips; False, and nothing done, when a strip is in both."""
        if self.walked & other.walked:
            return False
        for name in _SUMS:
            getattr(self, name).__iadd__(getattr(other, name))
        self.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        self.walked |= other.walked
        self.skipped |= other.skipped
        return True

    def means(self) -> dict[str, Float32]:
        """The head set's tensors: means over the strips added."""
        count = max(1, self.added)
        tensors = {
            "matrices": self.raw.sum(0) / count,
            "shapes": self.shape / count,
            "image_mass": self.mass / count,
            "halves": np.stack(
                [raw / max(1, number) for raw, number in zip(self.raw, self.counts, strict=True)]
            ),
            "null": self.null / count,
            "image_z": self.image_z / count,
        }
        if self.spatial[2].any():
            tensors["spatial"] = self.spatial[:2] / np.maximum(1, self.spatial[2])
        return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}

    def state(self) -> tuple[dict[str, object], dict[str, Float64]]:
        """What is saved as partial results."""
        header = {
            "walked": sorted(self.walked),
            "counts": self.counts,
            "skipped": [[number, reason] for number, reason in sorted(self.skipped.items())],
        }
        return header, {name: getattr(self, name) for name in _SUMS}

    @classmethod
    def restore(cls, header: Mapping[str, object], tensors: Mapping[str, npt.NDArray[np.generic]]) -> Sums:
        """The sums that `state` gave; KeyError, TypeError or ValueError when it is not one."""
        walked, counts, skipped = header["walked"], header["counts"], header["skipped"]
        if not all(isinstance(part, list) for part in (walked, counts, skipped)):
            raise TypeError("not a header of partial results")
        sums = {name: np.array(tensors[name], dtype=np.float64) for name in _SUMS}
        return cls(
            **sums,
            counts=[int(count) for count in counts],  # type: ignore[attr-defined]
            walked={int(number) for number in walked},  # type: ignore[attr-defined]
            skipped={int(number): str(reason) for number, reason in skipped},  # type: ignore[attr-defined]
        )


def _summand(values: npt.NDArray[np.floating]) -> Float64:
    """The nearest multiples of 2^-40."""
    rounded: Float64 = np.rint(values * _STEPS) / _STEPS
    return rounded
