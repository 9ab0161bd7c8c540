"""What the runs of an evaluation amount to, whoever judged them and whenever.

Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazecli.evaluation.examples import Example
from gazecli.evaluation.following import Following, following
from gazecli.evaluation.tallies import Run, Tally, tally
from gazecli.evaluation.trials import Judge, judged


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
