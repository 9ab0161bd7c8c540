"""A task: what the model does with each picture under several choices of heads.

All choices of a picture are computed together, and with those of other pictures of its size, in as few
batches as the memory allows. The processes of a launch share the pictures: each works on its own share, and
all get every trial. What is written is kept as soon as it is there, and never written twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from gazecli.cache.journal import Journal
from gazecli.cache.store import Cache
from gazecli.canonical import json_digest
from gazecli.distributed.group import Group, join
from gazecli.errors import GazeError
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.trials import Response, Trial, judge_responses
from gazecli.models.devices import free_memory
from gazecli.models.inference.batches import BatchLimit, bytes_per_token, compute_in_parts
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.vlm import VLM
from gazecli.steering.settings import SteerSettings

Advance = Callable[[int], None]  # by how many pictures

METHOD = 1  # raised whenever the same request would give other texts
_MOST_ROWS = 256
# Of all rows together: more are no faster, and take memory.
_TOKENS_AT_ONCE = {"cpu": 1 << 14}
_TOKENS_ON_ACCELERATOR = 1 << 16
# Of the memory: the rest is for what does not grow with the batch, as patches and the vision tower.
_FOR_TOKENS = 0.75
_MOST_WAITING = 16  # pictures, until others of their size come


class Row(NamedTuple):
    """One text to be written: about `target` of a picture, under a choice of heads.

    target: whatever the task asks about, None for the picture as a whole.
    """

    choice: Choice
    target: Any = None


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture, what is to be written about it, and what that makes it share a batch with.

    number: its place among the examples. sizes: pictures of equal ones can share a batch. prepared: what the
    task has made of it. groups: of each row, rows of equal groups can share a batch; tokens: of each row, its
    prompt with the longest text.
    """

    number: int
    choices: Sequence[Choice]
    kept: KeptPicture
    prepared: Any
    sizes: object
    rows: Sequence[Row]
    groups: Sequence[object]
    tokens: Sequence[int]


class _Asked(NamedTuple):
    """A picture, what is known of it from before, and what is still to be written, None for nothing."""

    number: int
    known: dict[Choice, list[Response]]
    picture: Opened | None


@dataclass
class Task(ABC):
    """Responses of `vlm` to `examples`, judged by `judge` if there is one.

    cache: where texts are kept as they are written, if anywhere. anew: write again what is kept. batch_size:
    rows at a time, None for as many as fit `memory`, in bytes; by default this is half of what is free.
    group: the processes that share the pictures; by default all of this launch.
    """

    vlm: VLM
    examples: Sequence[Example]
    judge: Judge | None = field(default=None, kw_only=True)
    cache: Cache | None = field(default=None, kw_only=True)
    anew: bool = field(default=False, kw_only=True)
    batch_size: int | None = field(default=None, kw_only=True)
    memory: int | None = field(default=None, kw_only=True)
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
    def open(self, number: int, choices: Sequence[Choice]) -> Opened:
        """Picture `number`, and the rows to be written about it under each of `choices`."""

    @abstractmethod
    def write(self, pictures: Sequence[Opened], rows: Sequence[Sequence[Row]]) -> list[Any]:
        """What the model writes in rows of one group about pictures of one size: for each picture its rows,
        in their order.
        """

    @abstractmethod
    def responses_of(self, picture: Opened, written: dict[Row, Any]) -> list[list[Response]]:
        """The responses to a picture for each of its choices."""

    def responses(
        self, numbers: Sequence[int], choices: Sequence[Choice]
    ) -> Iterator[tuple[int, list[list[Response]]]]:
        """Responses about each picture of `numbers` for each choice, as soon as they are there.

        What is kept from before is not written again.
        """
        for batch in self._answered(numbers, choices):
            yield from batch

    def _answered(
        self, numbers: Sequence[int], choices: Sequence[Choice]
    ) -> Iterator[list[tuple[int, list[list[Response]]]]]:
        """As `responses`, batch by batch; in the first, which may be empty, is all that takes no time."""
        for batch in self._batches(numbers, choices):
            opened = [asked.picture for asked in batch if asked.picture is not None]
            written = iter(self._written(opened) if opened else ())
            for number, found, picture in batch:
                if picture is not None:
                    found |= zip(picture.choices, next(written), strict=True)
                    self._keep(number, {choice: found[choice] for choice in picture.choices})
            yield [(number, [found[choice] for choice in choices]) for number, found, _ in batch]

    def _known(self, number: int, choices: Sequence[Choice]) -> dict[Choice, list[Response]]:
        """What is kept of a picture from before."""
        journal = self.journal
        if journal is None or self.anew:
            return {}
        found = {choice: _restored(journal.get(self._key(number, choice))) for choice in choices}
        return {choice: responses for choice, responses in found.items() if responses is not None}

    def _keep(self, number: int, found: dict[Choice, list[Response]]) -> None:
        if self.journal is not None:
            for choice, responses in found.items():
                self.journal.put(self._key(number, choice), [asdict(response) for response in responses])

    def _batches(self, numbers: Sequence[int], choices: Sequence[Choice]) -> Iterator[list[_Asked]]:
        """First the pictures about which all is written already, then those of one size, as many as fill a
        batch.
        """
        waiting: dict[object, list[_Asked]] = {}
        rows: dict[object, int] = {}
        kept = {number: self._known(number, choices) for number in numbers}
        left = {
            number: [choice for choice in dict.fromkeys(choices) if choice not in known]
            for number, known in kept.items()
        }
        yield [_Asked(number, kept[number], None) for number in numbers if not left[number]]
        for number in numbers:
            known, missing = kept[number], left[number]
            if not missing:
                continue
            picture = self.open(number, missing)
            most = self.limit.count_of(max(picture.tokens))
            if picture.sizes in waiting and rows[picture.sizes] + len(picture.rows) > most:
                yield waiting.pop(picture.sizes)
            others = waiting.setdefault(picture.sizes, [])
            rows[picture.sizes] = len(picture.rows) + (rows[picture.sizes] if others else 0)
            others.append(_Asked(number, known, picture))
            if sum(map(len, waiting.values())) > _MOST_WAITING:
                yield waiting.pop(next(iter(waiting)))
        yield from waiting.values()

    def _written(self, pictures: Sequence[Opened]) -> list[list[list[Response]]]:
        """The responses to pictures of one size, group by group of their rows."""
        places = [
            (group, place, row, tokens)
            for place, picture in enumerate(pictures)
            for row, group, tokens in zip(picture.rows, picture.groups, picture.tokens, strict=True)
        ]
        found: list[dict[Row, Any]] = [{} for _ in pictures]
        for group in dict.fromkeys(each[0] for each in places):
            some = [(place, row) for own, place, row, _ in places if own == group]
            longest = max(tokens for own, _, _, tokens in places if own == group)
            texts = compute_in_parts(
                some,
                self.limit,
                longest,
                lambda part: self._write(pictures, part),
                self.vlm.device,
                self.one_too_large,
            )
            for (place, row), text in zip(some, texts, strict=True):
                found[place][row] = text
        return [self.responses_of(picture, own) for picture, own in zip(pictures, found, strict=True)]

    def _write(self, pictures: Sequence[Opened], part: Sequence[tuple[int, Row]]) -> list[Any]:
        """As `write`, of rows (place of the picture, row), which stand picture by picture."""
        shown = [(place, [row for _, row in rows]) for place, rows in groupby(part, lambda each: each[0])]
        return self.write([pictures[place] for place, _ in shown], [rows for _, rows in shown])

    def trials(
        self, numbers: Sequence[int], choices: Sequence[Choice], advance: Advance
    ) -> list[list[list[Trial]]]:
        """The trials of each choice, of each of the pictures `numbers`.

        `advance` is called after each batch, with how many pictures of all that makes: where processes share
        them, the others are as far with theirs. It is called first before anything that takes time. Every
        process of the group must call this.
        """
        share = self.group.share(numbers)
        trials: dict[int, list[list[Trial]]] = {}
        told = 0
        try:
            for batch in self._answered(share, choices):
                for number, written in batch:
                    flat = [response for responses in written for response in responses]
                    judged = iter(judge_responses(self.judge, self.examples[number], flat))
                    trials[number] = [[next(judged) for _ in responses] for responses in written]
                done = len(trials) * len(numbers) // max(len(share), 1)
                advance(done - told)
                told = done
        finally:
            if self.journal is not None:
                self.journal.close()
        gathered = self.group.whole([trials[number] for number in share])
        if told < len(numbers):
            advance(len(numbers) - told)
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
        tokens = _TOKENS_AT_ONCE.get(self.vlm.device.type, _TOKENS_ON_ACCELERATOR)
        memory = self.memory
        if memory is None and (free := free_memory(self.vlm.device)) is not None:
            # Each process on a CPU sees the memory of all.
            memory = free // 2 // (self.group.size if self.vlm.device.type == "cpu" else 1)
        if memory is not None:
            tokens = min(tokens, int(_FOR_TOKENS * memory) // bytes_per_token(self.vlm))
        return BatchLimit(_MOST_ROWS, tokens)

    @property
    def one_too_large(self) -> GazeError:
        """The error for a device on which not even one answer fits."""
        return GazeError(
            "one answer alone does not fit the device's memory",
            subject=str(self.vlm.device),
            hint="use --image-tokens N for fewer image tokens, --dtype bfloat16, or --device cpu",
            code="evaluate.memory",
        )

    def heads_of(self, choices: Sequence[Choice]) -> list[dict[int, list[int]]]:
        """The heads of each choice by layer, each choice looked up once; raises as `VLM.check_heads`."""
        known = {choice: self.vlm.check_heads(choice.heads or None) for choice in set(choices)}
        return [known[choice] for choice in choices]

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
