"""Sums over strips, in float64 and in strip order, so that an interrupted walk ends with the same digits.

Knows nothing of models or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gazecli.heads.scoring import SHUFFLES, row_normalised, shuffled_scores
from gazecli.heads.spatial import image_z

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
_SUMS = ("raw", "shape", "mass", "null", "image_z", "spatial")


@dataclass
class Sums:
    """What has been added up so far.

    raw: (2, L, H, P, P) over even and odd strips, shape: (L, H, P, P) of normalised rows, mass: (L, H)
    attention on all image tokens, null: (R, L, H) shuffled gaze scores, image_z: (L, H) the same as z-scores,
    spatial: (3, L, H) entropies of maps, peaks at the bottom, maps. done: strips walked, skipped ones
    included; counts: strips added to each half; skipped: strip number and reason.
    """

    raw: Float64
    shape: Float64
    mass: Float64
    null: Float64
    image_z: Float64
    spatial: Float64
    done: int
    counts: list[int]
    skipped: list[tuple[int, str]]

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
            done=0,
            counts=[0, 0],
            skipped=[],
        )

    @property
    def added(self) -> int:
        """Strips added."""
        return sum(self.counts)

    def add(self, masses: Float64, seed: int) -> None:
        """Add one strip: (L, H, P, P + 4), asked panel x what `heads.measuring` says of each."""
        matrices, mass, spread = masses[..., :-4], masses[..., -4], masses[..., -3:]
        half = self.done % 2
        self.raw[half] += matrices
        self.shape += row_normalised(matrices)
        self.mass += mass.mean(-1)
        self.image_z += image_z(mass)
        self.spatial += np.moveaxis(spread.sum(-2), -1, 0)
        self.null += shuffled_scores(matrices, seed, self.done)
        self.counts[half] += 1
        self.done += 1

    def skip(self, reason: str) -> None:
        """Count a strip that could not be read."""
        self.skipped.append((self.done, reason))
        self.done += 1

    def means(self) -> dict[str, Float32]:
        """The head set's tensors: means over the strips added."""
        count = max(1, self.added)
        halves = np.stack([self.raw[half] / max(1, self.counts[half]) for half in (0, 1)])
        tensors = {
            "matrices": self.raw.sum(0) / count,
            "shapes": self.shape / count,
            "image_mass": self.mass / count,
            "halves": halves,
            "null": self.null / count,
            "image_z": self.image_z / count,
        }
        if self.spatial[2].any():
            tensors["spatial"] = self.spatial[:2] / np.maximum(1, self.spatial[2])
        return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}

    def state(self) -> tuple[dict[str, object], dict[str, Float64]]:
        """What a progress file holds."""
        header = {
            "done": self.done,
            "counts": self.counts,
            "skipped": [list(entry) for entry in self.skipped],
        }
        return header, {name: getattr(self, name) for name in _SUMS}

    @classmethod
    def restore(cls, header: Mapping[str, object], tensors: Mapping[str, npt.NDArray[np.generic]]) -> Sums:
        """Go on from a progress file; KeyError, TypeError or ValueError when it is not one."""
        done, counts, skipped = header["done"], header["counts"], header["skipped"]
        if not isinstance(done, int) or not isinstance(counts, list) or not isinstance(skipped, list):
            raise TypeError("not a progress header")
        sums = {name: np.array(tensors[name], dtype=np.float64) for name in _SUMS}
        return cls(
            **sums,
            done=done,
            counts=[int(count) for count in counts],
            skipped=[(int(number), str(reason)) for number, reason in skipped],
        )
