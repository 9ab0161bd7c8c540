"""Pictures shared among the processes of a launch: each judges its own, all get the trials of every one.

Knows nothing of what a trial is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Protocol, TypeVar

from gazecli.distributed.group import Group
from gazecli.evaluation.trials import Trial
from gazecli.heads.headset import Head

Trials = list[list[Trial]]


class Shareable(Protocol):
    """A task that knows which processes work on it together."""

    group: Group


OfTask = TypeVar("OfTask", bound=Shareable)


def shared(
    trials: Callable[[OfTask, Sequence[int], Sequence[Head], Advance], Trials],
) -> Callable[[OfTask, Sequence[int], Sequence[Head], Advance], Trials]:
    """Let a task's `trials` do this process's share of the pictures, and return those of all in their order.

    The same pictures always fall to the same process, so what a task remembers of a picture serves it again.
    """

    @wraps(trials)
    def of_all(task: OfTask, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> Trials:
        mine = task.group.share(numbers)
        every = task.group.whole(trials(task, mine, heads, advance))
        for _ in range(len(numbers) - len(mine)):
            advance()
        return every

    return of_all


Advance = Callable[[], None]


class Task(Protocol):
    """What the model is asked to do with each picture, under any choice of heads.

    group: the processes that share the pictures.
    """

    group: Group

    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """The trials of each of the pictures `numbers`; `advance` is called after each picture."""
