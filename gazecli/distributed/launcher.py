"""This process's place in a launch, and which process reports an error.

torchrun and accelerate launch set the environment variables; nothing heavy is imported. Of several processes
that fail, the first to fail reports: they count in the key-value store of their launch, which outlives
each of them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import timedelta

_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
# In the key-value store of the launch: how many processes wanted to report.
_KEY = "gaze/reports"
_STORE_SECONDS = 5.0


@dataclass(frozen=True)
class Launch:
    """This process's number among all `world_size` processes of the launch, and among those of its machine.

    Both numbers count from 0. A process that nobody launched is the only one.
    """

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes for all."""
        return self.rank == 0


def current_launch() -> Launch:
    """Where this process stands; alone unless a launcher's three variables are there and make sense."""
    values = [os.environ.get(name, "") for name in _VARIABLES]
    if not all(text.isascii() and text.isdigit() for text in values):
        return Launch()
    rank, local_rank, world_size = map(int, values)
    return Launch(rank, local_rank, world_size) if max(rank, local_rank) < world_size else Launch()


def leave_launch() -> None:
    """Forget the launcher: from here on this process works as if it had been started alone."""
    for name in _VARIABLES:
        os.environ.pop(name, None)


def is_reporter(*, at_once: bool = False) -> bool:
    """Whether this process is the first of its launch to call this; True where the launch has no store.

    `at_once`: do not spend the seconds that importing torch takes; the process of rank 0 reports.
    """
    here = current_launch()
    if here.world_size == 1:
        return True
    if at_once and "torch" not in sys.modules:
        return here.is_first
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            wait_for_workers=False,
            timeout=timedelta(seconds=_STORE_SECONDS),
        )
        earlier = store.add(f"{_KEY}/{attempt}", 1) - 1
    except (KeyError, RuntimeError, ValueError):
        return True
    return earlier == 0
