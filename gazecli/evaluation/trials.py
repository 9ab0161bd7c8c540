"""What is counted: pictures with captions, what became of each answer, and the tally of one condition.

Knows nothing of models or of how answers came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gazecli.errors import BadInput, ComicsError
from gazecli.evaluation.judge import LexicalJudge, is_junk, is_unchanged
from gazecli.evaluation.statistics import bootstrap_interval
from gazecli.heads.headset import Head
from gazecli.pictures.comics import Comics, Skipped
from gazecli.pictures.picture import Picture
from gazecli.pictures.strip import Strip
from gazecli.processes.group import Group

Fate = Literal["judged", "abstained", "junk", "unchanged"]
ConditionName = Literal["gaze", "control", "all", "unsteered"]
Advance = Callable[[], None]


@dataclass(frozen=True)
class Trial:
    """One answer: the region it was to describe, the one it does describe if any, and what became of it."""

    target: int
    described: int | None
    fate: Fate
    text: str

    @property
    def hit(self) -> bool:
        """Whether the answer describes its target."""
        return self.described == self.target


@dataclass(frozen=True)
class Tally:
    """One condition over all pictures; every count is of answers.

    heads: those that were steered. seed: the one that drew them, controls only. per_region: accuracy for
    each region number. schedule_rho and natural_rho: mean rank correlation with the schedule and with the
    reading order, narration only. natural: share of segments that describe the region whose turn it is in
    reading order, narration only.
    """

    name: ConditionName
    heads: list[Head]
    seed: int | None
    accuracy: float
    ci95: tuple[float, float]
    per_region: list[float | None]
    abstained: int
    junk: int
    unchanged: int
    n: int
    natural: float | None = None
    schedule_rho: float | None = None
    natural_rho: float | None = None


@dataclass(frozen=True)
class Condition:
    """Heads to steer; none is the unsteered model. `seed` draws a control's heads."""

    name: ConditionName
    heads: list[Head]
    seed: int | None = None


class Task(Protocol):
    """What the model is asked to do with each picture, under any choice of heads.

    group: the processes that share the pictures.
    """

    group: Group

    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """The trials of each of the pictures `numbers`; `advance` is called after each picture."""

    def measure(
        self, condition: Condition, numbers: Sequence[int], panels: int, seed: int, advance: Advance
    ) -> Tally:
        """The tally of one condition over the pictures `numbers`; `seed` resamples."""


def judge_answer(judge: LexicalJudge, target: int, text: str, unsteered: str | None) -> Trial:
    """Judge one answer; junk and what is almost the `unsteered` answer (if given) describe no region."""
    if is_junk(text):
        return Trial(target, None, "junk", text)
    if unsteered is not None and is_unchanged(text, unsteered):
        return Trial(target, None, "unchanged", text)
    described = judge.verdict(text).region
    return Trial(target, described, "abstained" if described is None else "judged", text)


def tally(condition: Condition, pictures: Sequence[Sequence[Trial]], panels: int, seed: int) -> Tally:
    """Count the trials of each picture; `seed` resamples.

    Pictures without a trial do not count; ComicsError when none has any.
    """
    answered = [trials for trials in pictures if trials]
    if not answered:
        raise ComicsError("no answer could be judged", hint="raise --max-new-tokens")
    hits = [sum(trial.hit for trial in trials) for trials in answered]
    counts = [len(trials) for trials in answered]
    every = [trial for trials in answered for trial in trials]
    low, high = bootstrap_interval(hits, counts, seed=seed)
    return Tally(
        name=condition.name,
        heads=condition.heads,
        seed=condition.seed,
        accuracy=sum(hits) / len(every),
        ci95=(low, high),
        per_region=[_share(every, region) for region in range(1, panels + 1)],
        abstained=sum(trial.fate == "abstained" for trial in every),
        junk=sum(trial.fate == "junk" for trial in every),
        unchanged=sum(trial.fate == "unchanged" for trial in every),
        n=len(every),
    )


def _share(trials: Sequence[Trial], region: int) -> float | None:
    mine = [trial.hit for trial in trials if trial.target == region]
    return sum(mine) / len(mine) if mine else None


@dataclass(frozen=True)
class Example:
    """A picture whose regions are described by one caption each, in the order of the regions."""

    strip: Strip
    captions: list[str]

    def load(self) -> Picture:
        """Decode the picture; raises as `Strip.load` does."""
        return self.strip.load()


@dataclass(frozen=True)
class Examples:
    """The strips that can be judged, and those that cannot, with reasons."""

    comics: Comics
    usable: list[Example]
    skipped: list[Skipped]


def examples_of(comics: Comics) -> Examples:
    """The strips of a folder that have captions and can be read.

    Raises ComicsError when there is none.
    """
    usable: list[Example] = []
    skipped = list(comics.skipped)
    for strip in comics.strips:
        if strip.captions is None:
            skipped.append(Skipped(strip.name, "it has no captions to judge answers by"))
            continue
        try:
            strip.load()
        except BadInput as error:
            skipped.append(Skipped(strip.name, error.message, error.hint))
        else:
            usable.append(Example(strip, list(strip.captions)))
    if not usable:
        raise ComicsError(
            "no strip has captions, by which answers are judged",
            subject=str(comics.path),
            hint="write a captions.txt with a line a panel into each comic's folder",
            code="comics.captions",
        )
    return Examples(comics, usable, skipped)
