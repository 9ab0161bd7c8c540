"""What judged answers amount to: accuracy with intervals, order and delay of a narration, size classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from gazecli.errors import ComicsError
from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.judges.lexical import LexicalJudge
from gazecli.evaluation.trials import Said, Trial, judged


@dataclass(frozen=True)
class Run:
    """One condition with the trials of each picture of `numbers`."""

    condition: Condition
    numbers: list[int]
    pictures: list[list[Trial]]


@dataclass(frozen=True)
class Tally:
    """One condition over all pictures; every count is of answers.

    per_region: accuracy for each region number, empty where numbers mean nothing.
    """

    condition: Condition
    accuracy: float
    ci95: tuple[float, float]
    per_region: list[float | None]
    abstained: int
    junk: int
    unchanged: int
    n: int


@dataclass(frozen=True)
class Group:
    """The targets of one size class or category: how many, and the share of hits of each condition's name."""

    by: str
    name: str
    n: int
    shares: dict[str, float]


def tally(condition: Condition, pictures: Sequence[Sequence[Trial]], panels: int | None, seed: int) -> Tally:
    """Count the trials of each picture; `seed` resamples. `panels`: regions a picture, None where it varies.

    Pictures without a trial do not count; ComicsError when none has any.
    """
    answered = [trials for trials in pictures if trials]
    if not answered:
        raise ComicsError("no answer could be judged", hint="raise --max-new-tokens")
    hits = [sum(trial.hit for trial in trials) for trials in answered]
    every = [trial for trials in answered for trial in trials]
    return Tally(
        condition=condition,
        accuracy=sum(hits) / len(every),
        ci95=bootstrap_interval(hits, [len(trials) for trials in answered], seed=seed),
        per_region=[_share_of(every, region) for region in range(1, (panels or 0) + 1)],
        abstained=sum(trial.fate == "abstained" for trial in every),
        junk=sum(trial.fate == "junk" for trial in every),
        unchanged=sum(trial.fate == "unchanged" for trial in every),
        n=len(every),
    )


def groups_of(examples: Sequence[Example], runs: Sequence[Run]) -> list[Group]:
    """Size classes, then categories by name; none where the examples have neither.

    Controls are taken together, so that their share is the mean over the draws.
    """
    kinds: dict[tuple[str, str], dict[str, list[bool]]] = {}
    for run in runs:
        for number, trials in zip(run.numbers, run.pictures, strict=True):
            for trial in trials:
                for kind in _kinds(examples[number], trial.target):
                    kinds.setdefault(kind, {}).setdefault(run.condition.name, []).append(trial.hit)
    order = {"small": 0, "medium": 1, "large": 2}
    ordered = sorted(kinds, key=lambda kind: (kind[0] != "size", order.get(kind[1], 3), kind[1]))
    return [
        Group(by, name, len(found["gaze"]), {each: sum(hits) / len(hits) for each, hits in found.items()})
        for by, name in ordered
        if "gaze" in (found := kinds[by, name])
    ]


def _kinds(example: Example, target: int) -> list[tuple[str, str]]:
    found = [("size", example.sizes[target - 1])] if example.sizes else []
    if example.synonyms and example.truths:
        found.append(("category", example.truths[target - 1]))
    return found


def share_of_hits(pictures: Sequence[Sequence[Trial]]) -> float:
    """Share of trials that hit."""
    hits = [trial.hit for trials in pictures for trial in trials]
    return sum(hits) / len(hits) if hits else 0.0


def _share_of(trials: Sequence[Trial], region: int) -> float | None:
    mine = [trial.hit for trial in trials if trial.target == region]
    return sum(mine) / len(mine) if mine else None


@dataclass(frozen=True)
class Delay:
    """Tokens from a change until something followed, for those of the `switches` where it did.

    1 is the first token written after the change.
    """

    tokens: list[int]
    switches: int


@dataclass(frozen=True)
class Following:
    """natural: share of segments that describe the region whose turn it is in reading order.

    schedule_rho and natural_rho: mean rank correlation with the schedule and with the reading order. text:
    until what is written since the change is about the new target. looks: until the heads look most at it.
    """

    natural: float
    schedule_rho: float | None
    natural_rho: float | None
    text: Delay | None
    looks: Delay | None


def following(run: Run, examples: Sequence[Example]) -> Following:
    """What the trials of one narrating condition say, in order of writing; delays only where it steered."""
    places = [trial.described == place for trials in run.pictures for place, trial in enumerate(trials, 1)]
    steered = bool(run.condition.heads)
    return Following(
        natural=sum(places) / len(places),
        schedule_rho=mean_rho([[(t.described, t.target) for t in trials] for trials in run.pictures]),
        natural_rho=mean_rho(
            [[(t.described, place) for place, t in enumerate(trials, 1)] for trials in run.pictures]
        ),
        text=_text_delay(run, examples) if steered else None,
        looks=_looks_delay(run) if steered else None,
    )


def mean_rho(pictures: Sequence[Sequence[tuple[int | None, int]]]) -> float | None:
    """Mean over pictures of the rank correlation of (described, expected), judged segments only."""
    rhos = []
    for pairs in pictures:
        known = [(described, expected) for described, expected in pairs if described is not None]
        rho = spearman([described for described, _ in known], [expected for _, expected in known])
        if rho is not None:
            rhos.append(rho)
    return sum(rhos) / len(rhos) if rhos else None


def tokens_until_about(judge: LexicalJudge, said: Said) -> int | None:
    """The fewest tokens since the change that the judge, given them alone, takes for the new target's.

    What finishes the sentence about the last target stands before them, so it counts as delay.
    """
    text = ""
    for count, piece in enumerate(said.pieces, 1):
        text += piece
        if judge.verdict(text).region == said.target:
            return count
    return None


def _text_delay(run: Run, examples: Sequence[Example]) -> Delay | None:
    """None where captions are missing: this is always measured by the lexical judge."""
    found: list[int | None] = []
    for number, trials in zip(run.numbers, run.pictures, strict=True):
        truths = examples[number].truths
        if truths is None:
            return None
        judge = LexicalJudge(truths)
        # The first segment begins with the text: nothing was switched.
        found += [tokens_until_about(judge, trial.said) for trial in trials[1:]]
    return Delay([count for count in found if count is not None], len(found))


def _looks_delay(run: Run) -> Delay:
    found = [trial.said.looked for trials in run.pictures for trial in trials[1:]]
    return Delay([count for count in found if count is not None], len(found))


@dataclass(frozen=True)
class Counted:
    """One condition's tally and, of a narration, how it followed the schedule."""

    tally: Tally
    following: Following | None


def count(
    runs: Sequence[Run], examples: Sequence[Example], narrated: bool, panels: int | None, seed: int
) -> list[Counted]:
    """One entry a run; `seed` resamples. `panels`: regions a picture, None where it varies."""
    return [
        Counted(
            tally(run.condition, run.pictures, panels, seed), following(run, examples) if narrated else None
        )
        for run in runs
    ]


def judged_again(runs: Sequence[Run], examples: Sequence[Example], judge: Judge) -> list[Run]:
    """The same answers, judged by `judge`: of one picture all at once."""
    again: list[Run] = [Run(run.condition, run.numbers, []) for run in runs]
    for place in range(len(runs[0].numbers) if runs else 0):
        answers = [trial.said for run in runs for trial in run.pictures[place]]
        trials = iter(judged(judge, examples[runs[0].numbers[place]], answers))
        for run, new in zip(runs, again, strict=True):
            new.pictures.append([next(trials) for _ in run.pictures[place]])
    return again


RESAMPLES = 10_000
_AT_A_TIME = 500  # 500 draws of a thousand pictures take 4 MB


def bootstrap_interval(
    hits: Sequence[float], trials: Sequence[float], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % percentile interval of sum(hits) / sum(trials), resampled over pictures.

    hits and trials have one number a picture: answers about one picture are not independent, so whole
    pictures are drawn. ValueError when there are none.
    """
    per_picture = np.stack([np.asarray(hits, float), np.asarray(trials, float)])  # (2, pictures)
    pictures = per_picture.shape[1]
    if pictures == 0 or per_picture[1].min() <= 0:
        raise ValueError("an interval needs pictures with at least one trial each")
    rng = np.random.default_rng(seed)
    even = np.full(pictures, 1 / pictures)
    shares: list[npt.NDArray[np.float64]] = []
    for first in range(0, resamples, _AT_A_TIME):
        drawn = rng.multinomial(pictures, even, size=min(_AT_A_TIME, resamples - first))  # (draws, pictures)
        right, all_of_them = per_picture @ drawn.T
        shares.append(right / all_of_them)
    low, high = np.quantile(np.concatenate(shares), (0.025, 0.975))
    return float(low), float(high)


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Rank correlation from -1 to 1; None for fewer than two pairs or where one side never varies."""
    if len(one) != len(other):
        raise ValueError("ranks come in pairs")
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(stats.spearmanr(one, other).statistic)
