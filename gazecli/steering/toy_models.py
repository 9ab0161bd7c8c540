"""What a model that knows only drawn comic strips cannot answer about, said before anyone believes it.

The rule is cheap, and errs on the side of silence: a picture is none of a toy's world when no panels were
found in it, or when fewer than half of its neighbouring pixels are of one colour, as in photographs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gazecli.models.catalogue import is_toy

if TYPE_CHECKING:
    from PIL import Image

    from gazecli.models.vlm import VLM, ModelFacts
    from gazecli.pictures.picture import Picture

_HEIGHT = 96  # pixels, at which colours are compared
_SAME = 6  # levels of 256, by which colours of one area differ through noise and JPEG
# Drawn strips have 0.62 to 0.85, as JPEG of quality 70 or at a quarter of their size 0.5 and more.
_DRAWN = 0.5


def toy_warning(model: VLM | ModelFacts, picture: Picture) -> str | None:
    """What to say of a toy's answers about a picture that is none of its world, None where there is nothing
    to say.
    """
    if not is_toy(model.id) or (picture.panels and evenness(picture.image) >= _DRAWN):
        return None
    what = "this looks like a photograph" if picture.panels else "no panels were found in this picture"
    return (
        f"{model.name} is a toy that knows only drawn comic strips, and {what}: "
        "its answers mean nothing here; use a larger model (gaze models)"
    )


def evenness(image: Image.Image) -> float:
    """The share of neighbouring pixels that have one colour, at a height of 96 pixels."""
    width = max(2, round(image.width * _HEIGHT / image.height))
    small = image if image.height <= _HEIGHT else image.resize((min(width, 20 * _HEIGHT), _HEIGHT))
    levels = np.asarray(small.convert("RGB")).astype(np.int16)  # (H, W, 3)
    steps = np.abs(np.diff(levels, axis=1)).max(axis=2)
    return float((steps <= _SAME).mean()) if steps.size else 1.0
