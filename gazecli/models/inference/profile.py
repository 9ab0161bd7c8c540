"""Where the time of discovery went, phase by phase.

The profile is a context variable: `phase` books into the one that is active, and does nothing without one.
An accelerator works asynchronously; a profiled run waits for it at the end of each phase, so that its time
is booked there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

import torch

from gazecli.models.architecture import find_vision_tower

PHASES = ("read", "patch", "wait", "vision", "prefix", "questions", "reduce", "store")
_ON_HOST = ("read", "patch", "store")

_active: ContextVar[Profile | None] = ContextVar("profile", default=None)


class Profile:
    """Seconds by phase. `read` and `patch` run in threads beside the others; `wait` is waiting for them."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._lock = Lock()

    @contextmanager
    def active(self) -> Iterator[Profile]:
        """Book the phases inside here, also those of threads started with a copy of the context."""
        token = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(token)

    def book(self, name: str, seconds: float) -> None:
        """Add `seconds` to a phase, from any thread."""
        with self._lock:
            self.seconds[name] += seconds

    def rounded(self) -> dict[str, float]:
        """Seconds by phase, to the millisecond."""
        return {name: round(max(0.0, spent), 3) for name, spent in self.seconds.items()}

    def now(self, name: str) -> float:
        """The time once the device has finished what phase `name` gave it."""
        if name not in _ON_HOST and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif name not in _ON_HOST and self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Book the time inside under `name`."""
    profile = _active.get()
    if profile is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        profile.book(name, profile.now(name) - began)


@contextmanager
def phase_with_vision(name: str, model: Any) -> Iterator[None]:
    """Book the time inside under `name`, less that of the model's vision tower, which is `vision`."""
    profile = _active.get()
    tower = find_vision_tower(model) if profile is not None else None
    if profile is None or tower is None:
        with phase(name):
            yield
        return
    vision, began = 0.0, 0.0

    def enter(*_: Any) -> None:
        nonlocal began
        began = profile.now("vision")

    def leave(*_: Any) -> None:
        nonlocal vision
        vision += profile.now("vision") - began

    hooks = [tower.register_forward_pre_hook(enter), tower.register_forward_hook(leave)]
    try:
        with phase(name):
            yield
    finally:
        for hook in hooks:
            hook.remove()
        profile.book("vision", vision)
        profile.book(name, -vision)
