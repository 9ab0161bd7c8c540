"""Of several processes that fail, one tells: the first to fail, whichever that is.

They ask the key-value store of their launch, which outlives every one of them. Knows nothing of errors.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from gazecli.processes.launcher import place

_TOLD = "gaze/told"
_SECONDS = 5.0


def is_mine_to_tell(*, at_once: bool = False) -> bool:
    """Whether this process is the first of its launch to ask; True where nobody can be asked.

    `at_once`: do not take the seconds that loading torch would take, and let the first process tell.
    """
    here = place()
    if here.count == 1:
        return True
    if at_once and "torch" not in sys.modules:
        return here.first
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
            timeout=timedelta(seconds=_SECONDS),
        )
        before_me = store.add(f"{_TOLD}/{attempt}", 1) - 1
    except (KeyError, RuntimeError, ValueError):
        return True
    return before_me == 0
