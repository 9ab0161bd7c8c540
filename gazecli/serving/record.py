"""What the pointer did, as lines that do it again: a command and a Python script.

Both give the same text on the same machine: a text that follows an aim is a schedule, as soon as it is over.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from gazecli.pictures.image_files import MAX_PIXELS
from gazecli.pictures.picture import Picture
from gazecli.serving.requests import Panels
from gazecli.serving.sessions import LiveSettings, Run

_DEFAULT = LiveSettings()


def record_of(run: Run) -> dict[str, Any]:
    """The schedule of a text that is whole, and both ways to repeat it."""
    assert run.result is not None
    session = run.session
    specs = [spec for _, spec in run.pace.specs]
    starts = [start for start, _ in run.pace.specs]
    if session.how.regions is not None:
        specs = [_as_box(spec, session.picture) for spec in specs]
    longest = run.result.tokens if run.pace.stopped else run.settings.max_new_tokens
    return {
        "schedule": [{"token": start, "region": spec} for start, spec in zip(starts, specs, strict=True)],
        "text": run.result.text,
        "tokens": run.result.tokens,
        "command": _command(run, specs, starts, longest),
        "python": _python(run, specs, starts, longest),
    }


def _as_box(spec: str, picture: Picture) -> str:
    """A hand-drawn panel by its box: its number would mean nothing to a command."""
    return ",".join(f"{edge:.10g}" for edge in picture.region(spec).box) if spec.isdigit() else spec


def _joined(specs: Sequence[str]) -> str:
    if not any("," in spec for spec in specs):
        return ",".join(specs)
    return ";".join(specs) + (";" if len(specs) == 1 else "")


def _command(run: Run, specs: Sequence[str], starts: Sequence[int], longest: int) -> str:
    session, settings = run.session, run.settings
    vlm, how = session.engine.vlm, session.how
    words = ["gaze", "switch" if specs else "track", str(session.picture.path or "PICTURE")]
    if specs:
        words += ["--schedule", _joined(specs), "--at", ",".join(map(str, starts))]
    words += _panel_words(how)
    most = _most_pixels(session.picture)
    words += [] if most is None else ["--max-pixels", str(most)]
    if settings.heads == "random" or session.headset.path is None:
        words += ["--heads", ",".join(f"{layer}.{head}" for layer, head in run.heads)]
    else:
        words += ["--heads", session.headset.digest, "--top", str(len(run.heads))]
        words += ["--score", session.headset.resolve_score(settings.score)]
    if specs:
        # What a sweep chose may have changed when the command is run.
        words += ["--strength", f"{settings.strength}"] * _is_odd(run)
        for name in ("mode", "scope"):
            if getattr(settings, name) != getattr(_DEFAULT, name):
                words += [f"--{name}", f"{getattr(settings, name)}"]
    words += ["--prompt", settings.prompt] if settings.prompt != _DEFAULT.prompt or not specs else []
    words += ["--max-new-tokens", str(longest), "--model", vlm.source]
    words += ["--device", str(vlm.device), "--dtype", vlm.dtype]
    words += [] if vlm.squash else ["--no-squash"]
    words += [] if vlm.image_tokens is None else ["--image-tokens", str(vlm.image_tokens)]
    return shlex.join(words)


def _is_odd(run: Run) -> bool:
    return run.session.headset.strength is not None or run.settings.strength != _DEFAULT.strength


def _panel_words(how: Panels) -> list[str]:
    words = [] if how.regions is not None or how.panels == "auto" else ["--panels", str(how.panels)]
    return words + ["--rtl"] * how.rtl + ["--spread"] * how.spread


def _most_pixels(picture: Picture) -> int | None:
    """What to allow for a picture that is refused by default, None for any other."""
    pixels = picture.width * picture.height
    return pixels if pixels > MAX_PIXELS else None


def _python(run: Run, specs: Sequence[str], starts: Sequence[int], longest: int) -> str:
    session, settings = run.session, run.settings
    vlm, how = session.engine.vlm, session.how
    panels = f"regions={[tuple(box) for box in how.regions]}" if how.regions else f"panels={how.panels!r}"
    panels += ", rtl=True" * how.rtl + ", spread=True" * how.spread
    most = _most_pixels(session.picture)
    panels += "" if most is None else f", max_pixels={most}"
    lines = [
        "import gazecli as gaze",
        "",
        f"vlm = gaze.load({vlm.source!r}, device={str(vlm.device)!r}, dtype={vlm.dtype!r}"
        + ("" if vlm.squash else ", squash=False")
        + ("" if vlm.image_tokens is None else f", image_tokens={vlm.image_tokens}")
        + ")",
        f"picture = gaze.Picture.open({str(session.picture.path or 'PICTURE')!r}, {panels})",
        f"heads = {[tuple(head) for head in run.heads]}  # layer, head",
        f"prompt = {settings.prompt!r}",
    ]
    if specs:
        lines += [
            "text = gaze.switch(",
            f"    vlm, picture, {list(specs)!r}, heads, prompt, at={list(starts)},",
            f"    strength={settings.strength!r}, mode={settings.mode!r}, scope={settings.scope!r},",
            f"    max_new_tokens={longest}, require_effect=False,",
            ").text",
        ]
    else:
        lines += [f"text = gaze.track(vlm, picture, heads, prompt, max_new_tokens={longest}).text"]
    return "\n".join([*lines, "print(text)", ""])
