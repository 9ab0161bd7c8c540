"""The examination of one model: it is loaded and checked on a drawn strip.

Knows nothing of how findings are printed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazecli.models.self_check import Finding
    from gazecli.pictures.picture import Picture

PANELS = 3
_HEIGHT = 192


def examine(
    name: str,
    device: str | None,
    dtype: str | None,
    revision: str | None = None,
    device_map: str | None = None,
    trust_remote_code: bool = False,
) -> Iterator[Finding]:
    """Load a model and check it, a finding at a time.

    Raises ModelError or UsageError when it cannot be loaded.
    """
    from gazecli.models.loading import load
    from gazecli.models.self_check import Finding, self_check

    vlm = load(
        name,
        device=device,
        dtype=dtype,
        revision=revision,
        device_map=device_map,
        trust_remote_code=trust_remote_code,
    )
    what = f"{vlm.family}, {vlm.layers} layers of {vlm.heads} heads, {vlm.dtype} on {vlm.device}"
    yield Finding("model", True, what)
    yield from self_check(vlm, drawn_strip())


def drawn_strip() -> Picture:
    """A strip of drawn panels, so dark that inverting a part of it changes every pixel there."""
    from PIL import Image

    from gazecli.pictures.picture import Picture
    from gazecli.tiny.drawing import draw_panel
    from gazecli.tiny.scenes import draw_strip

    rng = random.Random("doctor")
    strip = Image.new("RGB", (_HEIGHT * PANELS, _HEIGHT))
    for k, scene in enumerate(draw_strip(rng, PANELS, "test")):
        strip.paste(draw_panel(scene, rng, _HEIGHT), (k * _HEIGHT, 0))
    return Picture.from_image(strip.point(lambda value: value // 4), panels=PANELS)
