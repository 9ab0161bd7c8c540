"""A task: what the model does with each picture under a choice of heads.

The processes of a launch share the pictures: each works on its own share, and all get every trial.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gazecli.distributed.group import Group, join
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.trials import Response, Trial, judge_responses
from gazecli.heads.headset import Head
from gazecli.models.vlm import VLM

Advance = Callable[[], None]


@dataclass
class Task(ABC):
    """Responses of `vlm` to `examples`, judged by `judge` if there is one.

    group: the processes that share the pictures; by default all of this launch.
    """

    vlm: VLM
    examples: Sequence[Example]
    judge: Judge | None = field(default=None, kw_only=True)
    group: Group = field(default_factory=join, kw_only=True)

    @abstractmethod
    def responses(self, number: int, heads: Sequence[Head]) -> list[Response]:
        """What the model writes about picture `number` under `heads`; none is the model as it is."""

    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """The trials of each of the pictures `numbers`; `advance` is called once a picture.

        Every process of the group must call this. The same pictures always fall to the same process, so
        what a task keeps of a picture serves it again.
        """
        share = self.group.share(numbers)
        trials = []
        for number in share:
            responses = self.responses(number, heads)
            trials.append(judge_responses(self.judge, self.examples[number], responses))
            advance()
        gathered = self.group.whole(trials)
        for _ in range(len(numbers) - len(share)):
            advance()
        return gathered
