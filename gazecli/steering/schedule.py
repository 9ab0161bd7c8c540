"""When the target changes: after so many tokens, at given tokens, or at the end of a sentence."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gazecli.errors import ScheduleError
from gazecli.pictures.picture import Picture, Regional
from gazecli.pictures.region_specs import box_label
from gazecli.pictures.regions import Region

EVERY = 50
LONGEST = 100_000  # tokens
_SENTENCE_END = re.compile(r"[.!?。!?][\"')\]\u201d\u2019]*\s*$")
_LONGEST_SENTENCE = 60
_TOKEN = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Schedule:
    """Targets in order. `starts` are the tokens at which each begins, or None to go by sentences."""

    targets: list[Region]
    starts: list[int] | None
    every: int | None = None

    @property
    def most_tokens(self) -> int:
        """How many tokens to write at most by default."""
        if self.starts is None:
            return _LONGEST_SENTENCE * len(self.targets)
        return self.starts[-1] + (self.every or EVERY)

    def __post_init__(self) -> None:
        if self.most_tokens > LONGEST:
            raise ScheduleError(
                f"the schedule takes {self.most_tokens} tokens, more than {LONGEST}",
                hint="name fewer targets, or let them change sooner",
            )

    def check_length(self, max_new_tokens: int) -> None:
        """Raise ScheduleError when so few tokens end the text before every target had its turn."""
        if max_new_tokens < self.least_tokens:
            last = self.least_tokens - 1
            raise ScheduleError(
                f"a text of {max_new_tokens} tokens ends before the last target begins, at token {last}",
                hint="raise --max-new-tokens, or leave it out",
            )

    def is_due(self, turn: int, step: int, text: str) -> bool:
        """Whether target `turn` + 1 is on from token `step`; `text` was written since target `turn` came."""
        if step == 0 or turn + 1 == len(self.targets):
            return False
        return ends_sentence(text) if self.starts is None else step >= self.starts[turn + 1]

    @property
    def least_tokens(self) -> int:
        """No end token before the last target has begun."""
        return 0 if self.starts is None else self.starts[-1] + 1


def parse_targets(spec: str | Iterable[Regional], picture: Picture) -> list[Region]:
    """`2,4,3` or a list of region specs become regions, in order.

    Boxes and circles keep their numbers together when entries are separated by `;`; one alone ends so.

    Raises ScheduleError when it is empty, RegionError for a region that is not there.
    """
    if isinstance(spec, str):
        separator = ";" if ";" in spec else ","
        parts: Sequence[Regional] = [part.strip() for part in spec.removesuffix(";").split(separator)]
    elif isinstance(spec, Iterable):
        parts = list(spec)
    else:
        hint = 'give regions in order, such as [2, 4, 3] or "2,4,3"'
        raise ScheduleError("this is not a schedule", subject=repr(spec)[:80], hint=hint)
    texts = [part for part in parts if isinstance(part, str)]
    if not parts or texts == list(parts) == [""]:
        raise ScheduleError("the schedule is empty", hint="for example: --schedule 2,4,3,5,1,6")
    if "" in texts:
        raise ScheduleError(
            "the schedule has an empty place", subject=str(spec), hint="for example: --schedule 2,4,3,5,1,6"
        )
    known: dict[Hashable, Region] = {}
    next_number = len(picture.regions) + 1  # regions that are no panels are numbered on behind the panels
    boxes = 1
    targets = []
    for part in parts:
        name = part if isinstance(part, Hashable) else str(list(part))
        if name not in known:
            known[name] = picture.region(part, next_number, boxes)
            next_number += known[name].number == next_number
            boxes += known[name].label == box_label(boxes)
        targets.append(known[name])
    return targets


def schedule_of(
    given: Schedule | str | Iterable[Regional],
    picture: Picture,
    *,
    every: int | None = None,
    at: str | Sequence[int] | None = None,
    on: str | None = None,
) -> Schedule:
    """A schedule as it is, or of its targets with their timing, as `parse_targets` and `plan` take them."""
    if not isinstance(given, Schedule):
        return plan(parse_targets(given, picture), every=every, at=at, on=on)
    if any(option is not None for option in (every, at, on)):
        raise ScheduleError("the schedule has its timing already", hint="leave out every, at and on")
    return given


def plan(
    targets: list[Region],
    *,
    every: int | None = None,
    at: str | Sequence[int] | None = None,
    on: str | None = None,
) -> Schedule:
    """When each target begins: exactly one of `every`, `at` and `on`, or every 50 tokens.

    Raises ScheduleError for contradicting or malformed timing.
    """
    if sum(option is not None for option in (every, at, on)) > 1:
        raise ScheduleError("--every, --at and --on exclude each other", hint="keep one of them")
    if on is not None:
        if on != "sentence":
            raise ScheduleError(
                "targets can change on `sentence` only",
                subject=on,
                hint="write --on sentence, or use --every or --at",
            )
        return Schedule(targets, None)
    if at is None:
        step = EVERY if every is None else every
        if not 1 <= step <= LONGEST:
            message = f"--every must be between 1 and {LONGEST}"
            raise ScheduleError(message, subject=str(every), hint="leave it out for 50")
        return Schedule(targets, [step * number for number in range(len(targets))], step)
    starts = _parse_starts(at)
    if len(starts) != len(targets):
        raise ScheduleError(
            f"--at names {len(starts)} tokens for {len(targets)} targets", hint="give one token a target"
        )
    rising = all(before < after for before, after in pairwise(starts))
    if starts[0] != 0 or not rising:
        raise ScheduleError(
            "--at must begin with 0 and rise",
            subject=",".join(map(str, starts)),
            hint="for example: --at 0,40,90",
        )
    return Schedule(targets, starts)


def _parse_starts(at: str | Sequence[int]) -> list[int]:
    if not isinstance(at, str):
        return list(at)
    parts = [part.strip() for part in at.split(",")]
    if not all(_TOKEN.fullmatch(part) for part in parts):
        raise ScheduleError("--at takes whole numbers", subject=at, hint="for example: --at 0,40,90")
    return [int(part) for part in parts]


def ends_sentence(text: str) -> bool:
    """Whether text ends where a sentence does."""
    return bool(_SENTENCE_END.search(text))


def sentence_spans(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """First and last token (not included) of each sentence; what follows the last one is one more."""
    found: list[tuple[int, int]] = []
    start = 0
    for end in range(1, len(pieces) + 1):
        if end == len(pieces) or ends_sentence("".join(pieces[start:end])):
            found.append((start, end))
            start = end
    return found
