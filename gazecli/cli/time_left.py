"""How long the rest of a piece of work takes, estimated from the steps that are done.

The stages of one piece of work are of unlike length, so work is counted in units that all stages share. The
first step of all is left out of the pace: it takes memory and prepares kernels, and may last several times as
long as the others. Where nothing else was measured yet there is no estimate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

# The stage before counts as much as this share of a stage: a single batch may be twice as slow as the others.
_COUNTED = 0.2


@dataclass
class _Measured:
    """Work that was done, in units, and the seconds it took."""

    units: float = 0.0
    seconds: float = 0.0


@dataclass
class TimeLeft:
    """The time that is left, of one stage after the other."""

    clock: Callable[[], float] = time.monotonic
    later: float = field(default=0.0, init=False)
    _each: float = field(default=1.0, init=False)
    _first_is_done: bool = field(default=False, init=False)
    _before: _Measured = field(default_factory=_Measured, init=False)
    _here: _Measured = field(default_factory=_Measured, init=False)
    _last: tuple[int, float] | None = field(default=None, init=False)
    _batch: int = field(default=0, init=False)
    _total: int | None = field(default=None, init=False)

    def begin(self, each: float = 1.0, later: float = 0.0) -> None:
        """A stage begins: every item of it is `each` units of work, and `later` units follow the stage."""
        if self._here.units:
            self._before = self._here
        self._here, self._last, self._batch, self._total = _Measured(), None, 0, None
        self._each, self.later = each, later

    def step(self, done: int, total: int | None) -> None:
        """`done` of `total` items of the stage are done now; the first call says what was done before."""
        now = self.clock()
        if self._last is not None and done > self._last[0]:
            self._batch = done - self._last[0]
            if self._first_is_done:
                self._here.units += self._batch * self._each
                self._here.seconds += now - self._last[1]
            self._first_is_done = True
        if self._last is None or done > self._last[0]:
            self._last = (done, now)
        self._total = total

    def rate(self) -> float | None:
        """Items of this stage a second; None before it is known."""
        pace = self._pace()
        return 1 / (pace * self._each) if pace else None

    def seconds(self) -> float | None:
        """Seconds until the stage and all that follow it are done; None before that is known."""
        pace = self._pace()
        if pace is None or self._last is None or self._total is None:
            return None
        done, since = self._last
        left = pace * ((self._total - done) * self._each + self.later)
        # The next step is under way, and may take longer than those before it.
        under_way = min(self.clock() - since, pace * self._batch * self._each)
        return max(0.0, left - under_way)

    def _pace(self) -> float | None:
        """Seconds a unit of work takes, in this stage and, while little of it is done, in the one before."""
        units, seconds = self._here.units, self._here.seconds
        if self._before.units:
            counted = _COUNTED * (self._total or 0) * self._each or 1.0
            units += counted
            seconds += counted * self._before.seconds / self._before.units
        return seconds / units if units and seconds > 0 else None
