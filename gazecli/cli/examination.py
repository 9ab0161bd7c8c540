"""The examination of one model: it loads, it sees every panel, and its heads can be moved.

Knows nothing of how findings are printed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gazecli.errors import CheckFailed

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM
    from gazecli.pictures.picture import Picture

PANELS = 3


def examine(name: str, device: str | None, dtype: str | None) -> Iterator[tuple[str, str]]:
    """Examine a model, giving (what was checked, what was found) as it goes.

    Raises CheckFailed where something does not hold, ModelError or UsageError where it cannot be loaded.
    """
    from gazecli.models.loading import load

    vlm = load(name, device=device, dtype=dtype)
    yield "model", f"{vlm.family}, {vlm.layers} layers of {vlm.heads} heads, {vlm.dtype} on {vlm.device}"
    picture = _drawn_strip()
    yield "token map", _sees_every_panel(vlm, picture)
    yield "steering", _heads_move(vlm, picture)


def _drawn_strip() -> Picture:
    from PIL import Image

    from gazecli.pictures.picture import Picture
    from gazecli.tiny.drawing import PANEL_SIZE, draw_panel
    from gazecli.tiny.scenes import draw_strip

    rng = random.Random("doctor")
    strip = Image.new("RGB", (PANEL_SIZE * PANELS, PANEL_SIZE))
    for k, scene in enumerate(draw_strip(rng, PANELS, "test")):
        strip.paste(draw_panel(scene, rng), (k * PANEL_SIZE, 0))
    return Picture.from_image(strip, panels=PANELS)


def _sees_every_panel(vlm: VLM, picture: Picture) -> str:
    _, layout = vlm.prepare(picture, "Describe the picture.")
    counts = [len(layout.tokens(region)) for region in picture.regions]
    if not all(counts):
        raise CheckFailed(
            "a panel has no image token",
            subject=vlm.name,
            code="doctor.blind_panel",
            hint="its picture processor is not one gaze knows: see `gaze models`",
        )
    return f"{len(layout.positions)} image tokens, {min(counts)} to {max(counts)} a panel"


def _heads_move(vlm: VLM, picture: Picture) -> str:
    from gazecli.steering.steer import SteerSettings, steer_regions

    layers = sorted(vlm.attention)
    heads = [(layer, 0) for layer in (layers[len(layers) // 2], layers[-1])]
    settings = SteerSettings(strength="hard", max_new_tokens=1)
    answer = steer_regions(vlm, picture, [picture.regions[1]], heads, settings).answers[0]
    moved = (
        f"attention on a panel moved from {answer.attention_baseline:.2f} to {answer.attention_steered:.2f}"
    )
    if answer.attention_steered <= answer.attention_baseline:
        raise CheckFailed(
            moved,
            subject=vlm.name,
            code="doctor.unmoved",
            hint="steering would do nothing with this model: see `gaze models`",
        )
    return moved
