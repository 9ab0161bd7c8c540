"""Scenes of the small world: their vocabulary, captions, and the combinations that training never sees."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
SUBJECTS = (
    "cat",
    "rabbit",
    "bird",
    "fish",
    "robot",
    "ghost",
    "snail",
    "octopus",
    "turtle",
    "star",
)
ACTIONS = (
    "jumps over",
    "sits on",
    "pushes",
    "flees",
    "lifts",
    "hides behind",
    "sleeps by",
    "throws",
)
OBJECTS = ("box", "ball", "tree", "flower", "cup", "cake", "umbrella", "ladder")
PLACES = ("in the park", "at night", "at the beach", "in the snow", "in the city", "at home")

HELD_OUT_SHARE = 0.10
_MAX_REFUSED = 500  # draws in a row

Split = Literal["train", "test", "all"]


class Scene(NamedTuple):
    """One panel's content; `caption` is its exact description."""

    colour: str
    subject: str
    action: str
    object: str
    place: str

    @property
    def caption(self) -> str:
        """The sentence the small model is trained to write about this scene."""
        return f"{self.colour.capitalize()} {self.subject} {self.action} the {self.object} {self.place}."

    @property
    def held_out(self) -> bool:
        """Whether training never sees this subject in this colour doing this action."""
        key = f"{self.colour}|{self.subject}|{self.action}".encode()
        fraction = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") / 2**32
        return fraction < HELD_OUT_SHARE


def draw_scene(rng: random.Random, split: Split = "all") -> Scene:
    """Draw one scene of `split`: `train` never, `test` always a held-out combination."""
    while True:
        scene = Scene(
            rng.choice(COLOURS),
            rng.choice(SUBJECTS),
            rng.choice(ACTIONS),
            rng.choice(OBJECTS),
            rng.choice(PLACES),
        )
        if split == "all" or scene.held_out == (split == "test"):
            return scene


def draw_strip(rng: random.Random, panels: int, split: Split = "all") -> list[Scene]:
    """Draw the scenes of one strip: no colour and no subject twice while there are enough of them.

    Distinct colours and subjects make every caption of a strip recognisable by its first words.
    """
    scenes: list[Scene] = []
    refused = 0
    while len(scenes) < panels:
        scene = draw_scene(rng, split)
        # Few held-out combinations fit the last places of a long strip: then only equals are refused.
        if scene in scenes or (_repeats(scene, scenes) and refused < _MAX_REFUSED):
            refused += 1
            continue
        scenes.append(scene)
        refused = 0
    return scenes


def _repeats(scene: Scene, scenes: Sequence[Scene]) -> bool:
    recent_colours = scenes[len(scenes) - len(scenes) % len(COLOURS) :]
    recent_subjects = scenes[len(scenes) - len(scenes) % len(SUBJECTS) :]
    return any(scene.colour == other.colour for other in recent_colours) or any(
        scene.subject == other.subject for other in recent_subjects
    )
