"""Sessions of the page: a picture, the aim that follows the pointer, and the text that follows the aim.

A session has ONE aim. The newest overwrites it, and it is read before every token. What was written is a
`Narration`, as of `gaze switch`, or a `Tracking`, as of `gaze track`, where no head is steered.
"""

from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gazecli.errors import GazeError, UsageError
from gazecli.heads.headset import Head, HeadSet
from gazecli.models.attention.modes import Mode, Scope
from gazecli.models.attention.watchers import ValueWeightedAttention
from gazecli.models.inference.generate import ByToken, Limits, completed, generate_by_token
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.pictures.region_specs import box_label
from gazecli.pictures.regions import Region
from gazecli.reports.page.scenes import grid_lines, raster
from gazecli.serving.answers import GrowingText, error_part
from gazecli.serving.engine import Engine, Text
from gazecli.serving.requests import Panels
from gazecli.steering.schedule import ends_sentence
from gazecli.steering.settings import DYNAMIC_PROMPT, SteerSettings
from gazecli.steering.switch import Narration, narrate_by_token
from gazecli.steering.track import Tracking, track_by_token
from gazecli.steering.unchanged import is_unchanged
from gazecli.steering.warned import warnings_of

Event = dict[str, Any]
Floats = npt.NDArray[np.floating]
HeadChoice = Literal["gaze", "random", "all", "nobody"]


@dataclass(frozen=True)
class LiveSettings:
    """How a text is written; defaults are those of `gaze switch`.

    heads: the head set's best, as many random ones of the same layers, all of the model, or none. top, score:
    as of `--top` and `--score`. seed: draws the random heads. overlay: whether each token comes with a map.
    """

    prompt: str = DYNAMIC_PROMPT
    heads: HeadChoice = "gaze"
    top: int | Literal["auto"] = "auto"
    score: str = "auto"
    seed: int = 0
    strength: float | str = 10.0
    mode: Mode = "boost-suppress"
    scope: Scope = "answer"
    max_new_tokens: int = 256
    overlay: bool = True

    @property
    def steering(self) -> SteerSettings:
        """The part that steering takes."""
        return SteerSettings(self.prompt, self.strength, self.mode, self.scope, self.max_new_tokens)

    def choose(self, vlm: VLM, headset: HeadSet) -> list[Head]:
        """The heads that are steered, and watched; the gaze heads are watched where none is steered."""
        if self.heads == "all":
            return [Head(layer, head) for layer, count in vlm.heads_of.items() for head in range(count)]
        if self.heads == "random":
            return headset.controls(self.top, self.seed, self.score)
        return headset.top(self.top, self.score)


@dataclass(frozen=True)
class Aim:
    """A region spec and the region it names, whose number is given when it is used."""

    spec: str
    region: Region


class FollowedAim:
    """The pace of a text that follows an aim: the target changes before the first token after it moved.

    That token is no end token, as at the beginning of each target of a schedule. `specs`: token and spec of
    each turn.
    """

    def __init__(self, newest: Callable[[], Aim], picture: Picture, limits: Limits) -> None:
        self.specs: list[tuple[int, str]] = []
        self.turns: list[tuple[int, Region]] = []
        self.stopped = False
        self._newest = newest
        self._picture = picture
        self._limits = limits
        self._known: dict[str, Region] = {}

    @property
    def targets(self) -> list[Region]:
        """Those so far, each once."""
        return list(self._known.values())

    def target(self, step: int, _written: list[int]) -> Region:
        """The newest aim's region."""
        aim = self._newest()
        if not self.specs or aim.spec != self.specs[-1][1]:
            self.specs.append((step, aim.spec))
            self.turns.append((step, self._numbered(aim)))
            self._limits.least = step + 1
        return self.turns[-1][1]

    def is_over(self, _written: list[int]) -> bool:
        """Whether somebody stopped it."""
        return self.stopped

    def _numbered(self, aim: Aim) -> Region:
        """Regions that are no panels are numbered on behind the panels, in the order of their use."""
        if aim.spec not in self._known:
            panels = self._picture.regions
            others = [region for region in self._known.values() if region not in panels]
            region = aim.region
            if region not in panels:
                region = replace(region, number=len(panels) + len(others) + 1)
            if region.label == box_label(1):
                labels = {other.label for other in others}
                count = next(n for n in itertools.count(1) if box_label(n) not in labels)
                region = replace(region, label=box_label(count))
            self._known[aim.spec] = region
        return self._known[aim.spec]


class Session:
    """One tab: a picture, its aim, and the text being written, or the last one.

    `send` takes events to the tab, from any thread; None while no tab listens. `how`: the way
    in which the picture's panels were found.
    """

    def __init__(
        self, engine: Engine, headset: HeadSet, picture: Picture, layout: ImageLayout, how: Panels
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.engine = engine
        self.headset = headset
        self.picture = picture
        self.layout = layout
        self.how = how
        self.aim: Aim | None = None
        self.send: Callable[[Event], None] | None = None
        self.run: Run | None = None
        self.unsteered: dict[tuple[object, ...], Floats] = {}  # shares by prompt and heads, (N,)
        self.comparison: Comparison | None = None
        self._runs = 0

    def warnings(self) -> list[str]:
        """Why the model's words about this picture may mean nothing, and which panels share their tokens."""
        return warnings_of(self.engine.vlm, self.picture, self.layout, self.picture.regions)

    def take_aim(self, spec: str) -> Aim:
        """Aim at a region; RegionError when it is not there, or when no image token looks at it."""
        region = self.picture.region(spec)
        self.layout.tokens(region)
        self.aim = Aim(spec.strip(), region)
        return self.aim

    def set_panels(self, picture: Picture, how: Panels) -> None:
        """Take the same picture with other panels; the text and the aim end."""
        self.end()
        self.picture, self.how, self.aim = picture, how, None

    def begin(self, settings: LiveSettings) -> Run:
        """Write a text, in the place of the one being written; raises what is wrong with the settings."""
        if settings.heads != "nobody" and self.aim is None:
            raise UsageError("no region is named", hint="send an aim first", code="usage.region")
        heads = settings.choose(self.engine.vlm, self.headset)
        settings.steering.check_heads(self.engine.vlm, heads)
        self.end()
        self._runs += 1
        run = Run(self, self._runs, settings, heads)
        self.engine.submit(run.text)
        self.run = run
        return run

    def end(self) -> None:
        """Write no further token."""
        if self.run is not None:
            self.run.text.cancel()
        if self.comparison is not None:
            self.comparison.text.cancel()

    def compare(self, run: Run) -> None:
        """Find out, behind a text that is whole, whether it says what the unsteered one says.

        Only where nobody else waits for the model.
        """
        if self.engine.waiting_now > 1:
            return
        self.comparison = Comparison(run)
        with suppress(GazeError):  # the server is stopping
            self.engine.submit(self.comparison.text)


class Run:
    """One text of a session; the listener of the engine. `result` is there when the text is whole."""

    def __init__(self, session: Session, number: int, settings: LiveSettings, heads: Sequence[Head]) -> None:
        self.session = session
        self.number = number
        self.settings = settings
        self.heads = heads
        self.limits = Limits(settings.max_new_tokens)
        self.pace = FollowedAim(self._newest, session.picture, self.limits)
        self.result: Narration | Tracking | None = None
        self.text = Text(self._begin, self)
        self._watcher: ValueWeightedAttention | None = None
        self._unsteered: Floats | None = None
        self._growing = GrowingText(session.engine.vlm.decode)
        self._count = 0
        self._grid = grid_of(session.layout, session.picture)
        self._table = session.layout.region_table(session.picture.regions)

    def stop(self) -> None:
        """End the text behind the token being written; the result is what was written so far."""
        self.pace.stopped = True

    def placed(self, place: int) -> None:
        """Say how many texts come before the next token."""
        self.send({"event": "queue", "place": place})

    def wrote(self, _step: int, written: list[list[int]]) -> bool:
        """Send what the token added, and where the heads looked; whether a sentence ended."""
        tokens = written[0]
        if len(tokens) == self._count:
            return False
        self._count = len(tokens)
        piece = self._growing.add(tokens)
        self.send({"event": "token", "token": len(tokens) - 1, "text": piece, **self._looked()})
        return ends_sentence(self._growing.text)

    def ended(self, result: Narration | Tracking) -> None:
        """Keep the text and say why it ended."""
        self.result = result
        reason = "length" if self._count >= self.settings.max_new_tokens else "end"
        reason = "stopped" if self.pace.stopped else reason
        shown = self._growing.text
        rest = result.text[len(shown) :] if result.text.startswith(shown) else ""
        self.send(
            {"event": "done", "reason": reason, "tokens": result.tokens, "text": result.text, "rest": rest}
        )
        if isinstance(result, Narration) and result.tokens and not self.pace.stopped:
            self.session.compare(self)

    def failed(self, error: GazeError) -> None:
        """Say what went wrong."""
        self.send({"event": "error", "error": error_part(error)})

    def _newest(self) -> Aim:
        assert self.session.aim is not None
        return self.session.aim

    def _begin(self) -> ByToken[Any]:
        """The steps, in the engine's thread."""
        session, settings = self.session, self.settings
        kept = session.engine.kept(session.picture)
        inputs, layout = kept.prepare(settings.prompt)
        asked = (settings.prompt, *self.heads)
        if asked not in session.unsteered:
            first = ValueWeightedAttention(layout.positions, [self.heads])
            limits = Limits(1)
            completed(generate_by_token(kept.vlm, inputs, layout, None, 1, limits, watcher=first, kept=kept))
            session.unsteered = {asked: first.maps(0, 0, 1)[0]}
        self._unsteered = session.unsteered[asked]
        self._watcher = ValueWeightedAttention(layout.positions, [self.heads])
        if settings.heads == "nobody":
            return track_by_token(
                kept.vlm,
                session.picture,
                self.heads,
                settings.prompt,
                max_new_tokens=settings.max_new_tokens,
                watcher=self._watcher,
                stop=lambda written: self.pace.is_over(written[0]),
                kept=kept,
            )
        return narrate_by_token(
            kept.vlm,
            session.picture,
            self.pace,
            self.heads,
            settings.steering,
            self.limits,
            watcher=self._watcher,
            kept=kept,
        )

    def _looked(self) -> Event:
        """The attention at the newest token: on the regions, on the target, and on the grid."""
        assert self._watcher is not None
        assert self._unsteered is not None
        weights = self._watcher.steps[-1][0, 0].cpu().numpy()
        looked: Event = {"shares": shares_of(weights @ self._table)}
        if self.pace.turns:
            target = self.pace.turns[-1][1]
            owned = self.session.layout.owned(target)
            looked |= {
                "aim": self.pace.specs[-1][1],
                "region": target.number,
                "on_aim": round(float(weights[owned].sum()), 4),
                "unsteered_on_aim": round(float(self._unsteered[owned].sum()), 4),
            }
        if self.settings.overlay:
            cells = raster(weights[None], self.session.layout.boxes.numpy(), *self._grid)[0]
            peak = float(cells.max(initial=0.0))
            scaled = np.round(cells / peak * 255 if peak > 0 else cells).astype(np.uint8)
            density = peak * self.session.picture.width * self.session.picture.height
            looked |= {"cells": base64.b64encode(scaled.tobytes()).decode("ascii"), "peak": round(density, 3)}
        return looked

    def send(self, event: Event) -> None:
        """Tell the tab, if one listens."""
        send = self.session.send
        if send is not None:
            send({**event, "run": self.number})


class Comparison:
    """The unsteered text beside a steered one that is whole, as long as it; the listener of the engine.

    The tab is told whether both have nearly the same words. Nobody waits for it, and no error is told.
    """

    def __init__(self, run: Run) -> None:
        assert run.result is not None
        self.run = run
        self.steered = run.result
        self.text = Text(self._begin, self)

    def placed(self, _place: int) -> None:
        """Nothing is told."""

    def wrote(self, _step: int, _written: list[list[int]]) -> bool:
        """Nothing is told."""
        return False

    def ended(self, written: list[list[int]]) -> None:
        """Say whether the texts are the same."""
        unsteered = self.run.session.engine.vlm.decode(written[0])
        same = is_unchanged(self.steered.text, unsteered)
        self.run.send({"event": "compared", "unchanged": same, "unsteered": unsteered.strip()})

    def failed(self, _error: GazeError) -> None:
        """Nothing is told."""

    def _begin(self) -> ByToken[list[list[int]]]:
        kept = self.run.session.engine.kept(self.run.session.picture)
        inputs, layout = kept.prepare(self.run.settings.prompt)
        limits = Limits(self.steered.tokens)
        return generate_by_token(kept.vlm, inputs, layout, None, 1, limits, kept=kept)


def grid_of(layout: ImageLayout, picture: Picture) -> tuple[Floats, Floats]:
    """The lines, in pixels, of the grid on which attention is shown."""
    boxes = layout.boxes.numpy()
    return grid_lines(boxes[:, [0, 2]], picture.width), grid_lines(boxes[:, [1, 3]], picture.height)


def shares_of(values: Floats) -> list[float]:
    """Shares with as many digits as are shown."""
    return [round(float(value), 4) for value in values]
