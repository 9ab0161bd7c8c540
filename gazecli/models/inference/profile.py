"""Where the time of discovery went, phase by phase.

An accelerator works behind the program's back; it is waited for where a phase ends, so that its time is
booked there: only a profiled run pays for that. Knows nothing of what the phases do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch

PHASES = ("read", "patch", "wait", "vision", "prefix", "questions", "reduce", "store")


class Profile:
    """Seconds by phase. `read` and `patch` run in threads beside the others; `wait` is waiting for them."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._lock = Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Book the time inside under `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._settle(name)
            self.book(name, time.perf_counter() - began)

    @contextmanager
    def vision_inside(self, tower: Any, name: str) -> Iterator[None]:
        """Book the time inside under `name`, less that of the module `tower`, which is `vision`."""
        vision, began = 0.0, 0.0

        def enter(*_: Any) -> None:
            nonlocal began
            self._settle("vision")
            began = time.perf_counter()

        def leave(*_: Any) -> None:
            nonlocal vision
            self._settle("vision")
            vision += time.perf_counter() - began

        hooks = [tower.register_forward_pre_hook(enter), tower.register_forward_hook(leave)] if tower else []
        try:
            with self.phase(name):
                yield
        finally:
            for hook in hooks:
                hook.remove()
            self.book("vision", vision)
            self.book(name, -vision)

    def book(self, name: str, seconds: float) -> None:
        """Add `seconds` to a phase, from any thread."""
        with self._lock:
            self.seconds[name] += seconds

    def rounded(self) -> dict[str, float]:
        """Seconds by phase, to the millisecond."""
        return {name: round(max(0.0, spent), 3) for name, spent in self.seconds.items()}

    def _settle(self, name: str) -> None:
        if name in ("read", "patch", "store"):
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def phase(profile: Profile | None, name: str) -> AbstractContextManager[None]:
    """`profile.phase(name)`, or nothing where nobody asked."""
    return nullcontext() if profile is None else profile.phase(name)
