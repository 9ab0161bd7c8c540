"""A command in one of several launched processes: which of them speak, work and write.

Knows nothing of how work is shared.
"""

from __future__ import annotations

from gazecli.cli.streams import Streams
from gazecli.processes.launcher import leave_launch, place


def works_alone(streams: Streams) -> bool:
    """Whether this process is to do what processes cannot share: the first does it as if started alone.

    The others have nothing to do; that is said once.
    """
    here = place()
    if here.first and here.count > 1:
        leave_launch()
        streams.note(f"this is not shared among processes: one of {here.count} does it, the others end")
    return here.first


def writes() -> bool:
    """Whether this process writes what all have worked out."""
    return place().first


def share_of(title: str) -> str:
    """The title of a progress bar, which counts the first process's share."""
    count = place().count
    return title if count == 1 else f"{title} (process 1 of {count})"
