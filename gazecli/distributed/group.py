"""The processes of one launch: how they share work and join their results.

On torch.distributed through accelerate's `PartialState`. torch is imported only where there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gazecli.distributed.launcher import current_launch
from gazecli.errors import GazeError, UsageError
from gazecli.plain_text import error_words

Item = TypeVar("Item")
Float64 = npt.NDArray[np.float64]

# A process may finish its share hours before another, and the first may wait for a lock. One that dies is
# noticed at once all the same: its connections close, and the launcher ends the others.
_TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class Group:
    """`size` processes that call the same methods in the same order; `rank` is this one's number, from 0."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes for all."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of `items`: every `size`-th one."""
        return list(items[self.rank :: self.size])

    def whole(self, mine: Sequence[Item]) -> list[Item]:
        """What all made of their shares, one result an item, in the order of what was shared."""
        return in_order(self.gather(list(mine)))

    def gather(self, mine: Item) -> list[Item]:
        """What each process has, by rank."""
        if self.size == 1:
            return [mine]
        from accelerate.utils import gather_object

        with _connection_errors():
            gathered: list[Item] = gather_object([mine])
        return gathered

    def sum(self, mine: Float64) -> Float64:
        """The sum over all processes of an array of any shape, the same everywhere."""
        if self.size == 1:
            return mine
        import torch
        from accelerate import PartialState
        from accelerate.utils import reduce

        # Where somebody else has set up NCCL alone, only its devices can be reduced.
        on_host = "gloo" in torch.distributed.get_backend()
        device = torch.device("cpu") if on_host else PartialState().device
        with _connection_errors():
            total: Float64 = reduce(torch.from_numpy(mine).to(device), "sum").cpu().numpy()
        return total

    def from_first(self, make: Callable[[], Item]) -> Item:
        """What `make` returns in the first process, the only one that calls it."""
        if self.size == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        box: list[Any] = [make() if self.is_first else None]
        with _connection_errors():
            made: Item = broadcast_object_list(box)[0]
        return made

    def agree(self, what: str, mine: object) -> None:
        """UsageError when not every process has the same `mine`."""
        if any(other != mine for other in self.gather(mine)):
            raise UsageError(
                f"the processes see different {what}",
                hint="start all of them with the same arguments, on files and a cache they share",
                code="processes.differ",
            )


ALONE = Group()
_joined: list[Group] = []


def join() -> Group:
    """The group of all processes of this launch; a process alone joins nothing and imports nothing.

    Every process of the launch must call this. Raises GazeError when they cannot be connected.
    """
    if current_launch().world_size == 1:
        return ALONE
    if not _joined:
        import torch
        from accelerate import PartialState

        try:
            # What is exchanged is small and lies in main memory, so gloo carries it on GPUs too. Without
            # `cpu`, accelerate would take a launch on a machine without GPUs for one process.
            state = PartialState(cpu=not torch.cuda.is_available(), backend="gloo", timeout=_TIMEOUT)
        except (RuntimeError, ValueError) as failure:
            raise GazeError(
                "the processes of this run cannot be connected",
                subject=error_words(failure),
                hint="start them with torchrun or accelerate launch, on machines that reach each other",
                code="processes.apart",
            ) from failure
        _joined.append(Group(state.process_index, state.num_processes))
    return _joined[0]


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Turn the loss of another process into a GazeError; that process reports why."""
    try:
        yield
    except (RuntimeError, ValueError) as failure:
        raise GazeError(
            "the processes of this run lost each other",
            subject=error_words(failure),
            hint="one of them ended early: its error stands above",
            code="processes.lost",
        ) from failure


def in_order(parts: Sequence[Sequence[Item]]) -> list[Item]:
    """The shares of all processes, by rank, put back into the order of what was shared."""
    count, total = len(parts), sum(len(part) for part in parts)
    return [parts[place % count][place // count] for place in range(total)]
