"""A task: what the model does with each picture under several choices of heads.

All choices of a picture are computed together, in as few batches as the memory allows. The processes of a
launch share the pictures: each works on its own share, and all get every trial. What is written is kept as
soon as it is there, and never written twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from gazecli.cache.journal import Journal
from gazecli.cache.store import Cache
from gazecli.canonical import json_digest
from gazecli.distributed.group import Group, join
from gazecli.errors import GazeError
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.trials import Response, Trial, judge_responses
from gazecli.models.inference.batches import BatchLimit
from gazecli.models.vlm import VLM
from gazecli.steering.settings import SteerSettings

Advance = Callable[[], None]

METHOD = 1  # raised whenever the same request would give other texts
_MOST_ROWS = 256
# Of all rows together: more are no faster, and take memory.
_TOKENS_AT_ONCE = {"cpu": 1 << 14}
_TOKENS_ON_ACCELERATOR = 1 << 16


@dataclass
class Task(ABC):
    """Responses of `vlm` to `examples`, judged by `judge` if there is one.

    cache: where texts are kept as they are written, if anywhere. anew: write again what is kept. batch_size:
    rows at a time, None for as many as fit. group: the processes that share the pictures; by default all of
    this launch.
    """

    vlm: VLM
    examples: Sequence[Example]
    judge: Judge | None = field(default=None, kw_only=True)
    cache: Cache | None = field(default=None, kw_only=True)
    anew: bool = field(default=False, kw_only=True)
    batch_size: int | None = field(default=None, kw_only=True)
    group: Group = field(default_factory=join, kw_only=True)

    @abstractmethod
    def asked(self) -> dict[str, Any]:
        """What is asked of the model, whatever the picture and the heads, as JSON."""

    def strength(self, _choice: Choice) -> float | None:
        """How strongly the heads of a choice are steered; None where nothing is steered."""
        return None

    def asked_of(self, _number: int) -> object:
        """What is asked of picture `number` alone, as JSON."""
        return None

    @abstractmethod
    def write(self, number: int, choices: Sequence[Choice]) -> list[list[Response]]:
        """What the model writes about picture `number` under each of `choices`."""

    def responses(self, number: int, choices: Sequence[Choice]) -> list[list[Response]]:
        """As `write`, with what is kept from before."""
        keys = {choice: self._key(number, choice) for choice in dict.fromkeys(choices)}
        journal = self.journal
        known: dict[Choice, list[Response] | None] = {}
        if journal is not None and not self.anew:
            known = {choice: _restored(journal.get(key)) for choice, key in keys.items()}
        missing = [choice for choice in keys if known.get(choice) is None]
        for choice, written in zip(missing, self.write(number, missing) if missing else (), strict=True):
            known[choice] = written
            if journal is not None:
                journal.put(keys[choice], [asdict(response) for response in written])
        return [list(known[choice] or ()) for choice in choices]

    def trials(
        self, numbers: Sequence[int], choices: Sequence[Choice], advance: Advance
    ) -> list[list[list[Trial]]]:
        """The trials of each choice, of each of the pictures `numbers`; `advance` is called once a picture.

        Every process of the group must call this.
        """
        share = self.group.share(numbers)
        trials = []
        try:
            for number in share:
                written = self.responses(number, choices)
                flat = [response for responses in written for response in responses]
                judged = iter(judge_responses(self.judge, self.examples[number], flat))
                trials.append([[next(judged) for _ in responses] for responses in written])
                advance()
        finally:
            if self.journal is not None:
                self.journal.close()
        gathered = self.group.whole(trials)
        for _ in range(len(numbers) - len(share)):
            advance()
        return [[picture[place] for picture in gathered] for place in range(len(choices))]

    @cached_property
    def journal(self) -> Journal | None:
        """Where the texts are kept."""
        if self.cache is None:
            return None
        model = {"model": self.vlm.digest, "device": self.vlm.device.type, "dtype": self.vlm.dtype}
        shown: dict[str, Any] = {"squash": self.vlm.squash}
        if self.vlm.image_tokens is not None:
            shown["image_tokens"] = self.vlm.image_tokens
        asked = {"what": "texts", "method": METHOD, **model, **shown, **self.asked()}
        return self.cache.journal(asked)

    @cached_property
    def limit(self) -> BatchLimit:
        """How many rows go at a time; less once memory ran out."""
        if self.batch_size is not None:
            return BatchLimit(self.batch_size)
        return BatchLimit(_MOST_ROWS, _TOKENS_AT_ONCE.get(self.vlm.device.type, _TOKENS_ON_ACCELERATOR))

    @property
    def one_too_large(self) -> GazeError:
        """The error for a device on which not even one answer fits."""
        return GazeError(
            "one answer alone does not fit the device's memory",
            subject=str(self.vlm.device),
            hint="use --image-tokens N for fewer image tokens, --dtype bfloat16, or --device cpu",
            code="evaluate.memory",
        )

    def _key(self, number: int, choice: Choice) -> str:
        strength = self.strength(choice) if choice.heads else None
        return json_digest([self._identity(number), self.asked_of(number), sorted(choice.heads), strength])

    def _identity(self, number: int) -> str | None:
        if number not in self._identities:
            self._identities[number] = self.examples[number].identity
        return self._identities[number]

    @cached_property
    def _identities(self) -> dict[int, str | None]:
        return {}


def asked_with(settings: SteerSettings) -> dict[str, Any]:
    """How it is asked and steered, but for the strength, which is the choice's."""
    known = asdict(settings)
    del known["strength"]
    return known


def _restored(record: Any) -> list[Response] | None:
    """Responses as they were kept, or None for anything else."""
    try:
        return [Response(**{**kept, "pieces": tuple(kept["pieces"])}) for kept in record]
    except (TypeError, KeyError):
        return None
