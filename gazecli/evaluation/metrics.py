"""Metrics of judged responses.

Redirection accuracy with bootstrap intervals; of a narration, agreement with its schedule (Spearman's rho)
and delay after each change of the target; accuracy by size class and category of natural pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from gazecli.errors import ComicsError
from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.lexical import CaptionMatcher
from gazecli.evaluation.judges.repetition import repeated_trigrams, repeats_itself
from gazecli.evaluation.trials import Response, Run, Trial
from gazecli.steering.unchanged import words_of

RESAMPLES = 10_000
_BATCH = 500  # resamples at a time: 500 of a thousand pictures take 4 MB


@dataclass(frozen=True)
class ConditionMetrics:
    """One condition over all pictures; every count is of responses.

    per_region: accuracy for each region number, empty where numbers mean nothing. repeated: texts that say
    the same again and again, and are judged all the same. repetition: mean share of a text's trigrams of
    words that stood in it before. words: mean length. narration: None for a task without a schedule.
    """

    condition: Condition
    accuracy: float
    ci95: tuple[float, float]
    per_region: list[float | None]
    abstained: int
    junk: int
    unchanged: int
    n: int
    repeated: int = 0
    repetition: float = 0.0
    words: float = 0.0
    narration: NarrationMetrics | None = None


@dataclass(frozen=True)
class NarrationMetrics:
    """How the segments of one condition follow their schedule.

    natural: share of segments that describe the region whose turn it is in reading order. schedule_rho and
    natural_rho: mean rank correlation with the schedule and with the reading order. text_delay: until what is
    written since the change is about the new target. attention_delay: until the heads attend most to it.
    """

    natural: float
    schedule_rho: float | None
    natural_rho: float | None
    text_delay: Delay | None
    attention_delay: Delay | None


@dataclass(frozen=True)
class Delay:
    """Tokens from a change of the target until it took effect, for those of the `switches` where it did.

    1 is the first token written after the change.
    """

    tokens: list[int]
    switches: int


@dataclass(frozen=True)
class GroupMetrics:
    """The targets of one size class or category: how many, and the accuracy by name of condition."""

    by: str
    name: str
    n: int
    accuracies: dict[str, float]


def run_metrics(
    runs: Sequence[Run], examples: Sequence[Example], narrated: bool, seed: int
) -> list[ConditionMetrics]:
    """One entry a run, as `condition_metrics`; with those of narrations where `narrated`."""
    counts = {example.regions for example in examples}
    # In natural pictures the number of a region means nothing.
    panels = counts.pop() if len(counts) == 1 and not examples[0].sizes else None
    metrics = []
    for run in runs:
        narration = narration_metrics(run, examples) if narrated else None
        metrics.append(condition_metrics(run.condition, run.pictures, panels, seed, narration))
    return metrics


def condition_metrics(
    condition: Condition,
    pictures: Sequence[Sequence[Trial]],
    panels: int | None,
    seed: int,
    narration: NarrationMetrics | None = None,
) -> ConditionMetrics:
    """Count the trials of each picture; `seed` resamples. `panels`: regions a picture, None where it varies.

    Pictures without a trial do not count; ComicsError when none has any.
    """
    answered = [trials for trials in pictures if trials]
    if not answered:
        raise ComicsError("no answer could be judged", hint="raise --max-new-tokens")
    hits = [sum(trial.hit for trial in trials) for trials in answered]
    every = [trial for trials in answered for trial in trials]
    outcomes = [trial.outcome for trial in every]
    return ConditionMetrics(
        condition=condition,
        accuracy=sum(hits) / len(every),
        ci95=bootstrap_interval(hits, [len(trials) for trials in answered], seed=seed),
        per_region=[_region_accuracy(every, region) for region in range(1, (panels or 0) + 1)],
        abstained=outcomes.count("abstained"),
        junk=outcomes.count("junk"),
        unchanged=outcomes.count("unchanged"),
        n=len(every),
        repeated=sum(trial.outcome == "judged" and repeats_itself(trial.text) for trial in every),
        repetition=sum(repeated_trigrams(trial.text) for trial in every) / len(every),
        words=sum(len(words_of(trial.text)) for trial in every) / len(every),
        narration=narration,
    )


def standard_error(pictures: Sequence[Sequence[Trial]]) -> float:
    """Standard error of the accuracy over pictures of equally many trials; 0 for a single one."""
    shares = [sum(trial.hit for trial in trials) / len(trials) for trials in pictures if trials]
    return float(np.std(shares, ddof=1) / len(shares) ** 0.5) if len(shares) > 1 else 0.0


@dataclass(frozen=True)
class Difference:
    """How much more often the gaze heads redirect than condition `name` does; of several draws their mean.

    ci95: paired bootstrap over pictures.
    """

    name: str
    difference: float
    ci95: tuple[float, float]


def differences(runs: Sequence[Run], seed: int) -> list[Difference]:
    """The gaze heads against every other condition that steers, or that is left as it is."""
    named: dict[str, list[Run]] = {}
    for run in runs[1:]:
        if not run.condition.blinds:
            named.setdefault(run.condition.name, []).append(run)
    found = []
    for name, others in named.items():
        apart, trials = [], []
        for place, own in enumerate(runs[0].pictures):
            if own:
                hits = [sum(trial.hit for trial in other.pictures[place]) for other in others]
                apart.append(sum(trial.hit for trial in own) - sum(hits) / len(hits))
                trials.append(len(own))
        interval = bootstrap_interval(apart, trials, seed=seed)
        found.append(Difference(name, sum(apart) / sum(trials), interval))
    return found


def p_value(metrics: Sequence[ConditionMetrics]) -> float | None:
    """(1 + controls at least as good as the gaze heads) / (controls + 1); None without controls.

    Adding one keeps a p value of few draws honest: with five it cannot fall below 1 / 6.
    """
    controls = [each.accuracy for each in metrics if each.condition.name == "control"]
    if not controls:
        return None
    return (1 + sum(each >= metrics[0].accuracy for each in controls)) / (len(controls) + 1)


def _region_accuracy(trials: Sequence[Trial], region: int) -> float | None:
    hits = [trial.hit for trial in trials if trial.target == region]
    return sum(hits) / len(hits) if hits else None


def group_metrics(examples: Sequence[Example], runs: Sequence[Run]) -> list[GroupMetrics]:
    """Size classes, then categories by name; none where the examples have neither.

    Controls are taken together, so that their accuracy is the mean over the draws.
    """
    hits: dict[tuple[str, str], dict[str, list[bool]]] = {}
    for run in runs:
        for number, trials in zip(run.numbers, run.pictures, strict=True):
            for trial in trials:
                for group in _groups(examples[number], trial.target):
                    hits.setdefault(group, {}).setdefault(run.condition.name, []).append(trial.hit)
    sizes = {"small": 0, "medium": 1, "large": 2}
    ordered = sorted(hits, key=lambda group: (group[0] != "size", sizes.get(group[1], 3), group[1]))
    return [
        GroupMetrics(by, name, len(own["gaze"]), {each: sum(own[each]) / len(own[each]) for each in own})
        for by, name in ordered
        if "gaze" in (own := hits[by, name])
    ]


def _groups(example: Example, target: int) -> list[tuple[str, str]]:
    found = [("size", example.sizes[target - 1])] if example.sizes else []
    if example.synonyms and example.truths:
        found.append(("category", example.truths[target - 1]))
    return found


def narration_metrics(run: Run, examples: Sequence[Example]) -> NarrationMetrics:
    """Metrics of one condition's narrations, trials in order of writing; delays only where it steered."""
    places = [trial.described == place for trials in run.pictures for place, trial in enumerate(trials, 1)]
    steered = bool(run.condition.heads)
    return NarrationMetrics(
        natural=sum(places) / len(places),
        schedule_rho=mean_rho([[(t.described, t.target) for t in trials] for trials in run.pictures]),
        natural_rho=mean_rho(
            [[(t.described, place) for place, t in enumerate(trials, 1)] for trials in run.pictures]
        ),
        text_delay=_text_delay(run, examples) if steered else None,
        attention_delay=_attention_delay(run) if steered else None,
    )


def _text_delay(run: Run, examples: Sequence[Example]) -> Delay | None:
    """None where captions are missing: this is always measured by matching captions."""
    found: list[int | None] = []
    for number, trials in zip(run.numbers, run.pictures, strict=True):
        truths = examples[number].truths
        if truths is None:
            return None
        matcher = CaptionMatcher(truths)
        # The first segment begins with the text: no target changed.
        found += [text_delay(matcher, trial.response) for trial in trials[1:]]
    return _delay(found)


def text_delay(matcher: CaptionMatcher, response: Response) -> int | None:
    """The fewest tokens since the change that, alone, match the new target's caption; None when none do.

    What finishes the sentence about the last target stands before them, so it counts as delay.
    """
    text = ""
    for count, piece in enumerate(response.pieces, 1):
        text += piece
        if matcher.verdict(text).region == response.target:
            return count
    return None


def _attention_delay(run: Run) -> Delay:
    return _delay([trial.response.attention_delay for trials in run.pictures for trial in trials[1:]])


def _delay(found: Sequence[int | None]) -> Delay:
    return Delay([tokens for tokens in found if tokens is not None], len(found))


def mean_rho(pictures: Sequence[Sequence[tuple[int | None, int]]]) -> float | None:
    """Mean over pictures of the rank correlation of (described, expected), judged segments only."""
    rhos = []
    for pairs in pictures:
        known = [(described, expected) for described, expected in pairs if described is not None]
        rho = spearman([described for described, _ in known], [expected for _, expected in known])
        if rho is not None:
            rhos.append(rho)
    return sum(rhos) / len(rhos) if rhos else None


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Rank correlation from -1 to 1; None for fewer than two pairs or where one side never varies."""
    if len(one) != len(other):
        raise ValueError("ranks come in pairs")
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(stats.spearmanr(one, other).statistic)


def bootstrap_interval(
    hits: Sequence[float], trials: Sequence[float], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % percentile interval of sum(hits) / sum(trials), resampled over pictures.

    hits and trials have one number a picture: responses to one picture are not independent, so whole
    pictures are drawn. With what two conditions hit apart from each other as `hits`, the negative ones
    included, this is the paired interval of their difference. ValueError when there are none.
    """
    per_picture = np.stack([np.asarray(hits, float), np.asarray(trials, float)])  # (2, pictures)
    pictures = per_picture.shape[1]
    if pictures == 0 or per_picture[1].min() <= 0:
        raise ValueError("an interval needs pictures with at least one trial each")
    rng = np.random.default_rng(seed)
    even = np.full(pictures, 1 / pictures)
    shares: list[npt.NDArray[np.float64]] = []
    for first in range(0, resamples, _BATCH):
        drawn = rng.multinomial(pictures, even, size=min(_BATCH, resamples - first))  # (draws, pictures)
        resampled_hits, resampled_trials = per_picture @ drawn.T
        shares.append(resampled_hits / resampled_trials)
    low, high = np.quantile(np.concatenate(shares), (0.025, 0.975))
    return float(low), float(high)
