"""The texts a model gave for the regions of a picture, and what judging made of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gazecli.evaluation.conditions import Condition
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.judges.repetition import is_junk
from gazecli.steering.unchanged import is_unchanged

Outcome = Literal["judged", "abstained", "junk", "unchanged", "unjudged"]


@dataclass(frozen=True)
class Response:
    """A text the model gave for a target region; `unsteered` is what it wrote without steering, if known.

    pieces: the text token by token, where it is a segment of a narration. attention_delay: tokens from the
    segment's begin until the heads attend most to its region, None where they never did or none was steered.
    shares_tokens: another region of the picture has exactly the image tokens of the target.
    """

    target: int
    text: str
    unsteered: str | None = None
    pieces: tuple[str, ...] = ()
    attention_delay: int | None = None
    shares_tokens: bool = False


@dataclass(frozen=True)
class Trial:
    """A response, the number of the region it describes if any, and the outcome of judging it."""

    response: Response
    described: int | None
    outcome: Outcome

    @property
    def target(self) -> int:
        """The number of the region the response was to describe."""
        return self.response.target

    @property
    def text(self) -> str:
        """The response's text."""
        return self.response.text

    @property
    def hit(self) -> bool:
        """Whether the response describes its target."""
        return self.described == self.target


@dataclass(frozen=True)
class Run:
    """One condition with the trials of each picture of `numbers`."""

    condition: Condition
    numbers: list[int]
    pictures: list[list[Trial]]


def judge_responses(judge: Judge | None, example: Example, responses: Sequence[Response]) -> list[Trial]:
    """Judge the responses to one picture; junk and nearly unsteered texts never reach the judge.

    Without a judge every response is unjudged.
    """
    if judge is None:
        return [Trial(response, None, "unjudged") for response in responses]
    outcomes = [_outcome_without_judge(response) for response in responses]
    texts = [response.text for response, outcome in zip(responses, outcomes, strict=True) if outcome is None]
    verdicts = iter(judge.verdicts(example, texts) if texts else ())
    trials = []
    for response, outcome in zip(responses, outcomes, strict=True):
        described = next(verdicts).region if outcome is None else None
        trials.append(Trial(response, described, outcome or ("abstained" if described is None else "judged")))
    return trials


def rejudge_runs(runs: Sequence[Run], examples: Sequence[Example], judge: Judge) -> list[Run]:
    """The same responses judged by `judge`, which gets those of one picture all at once."""
    again = [Run(run.condition, run.numbers, []) for run in runs]
    for place, number in enumerate(runs[0].numbers if runs else []):
        responses = [trial.response for run in runs for trial in run.pictures[place]]
        trials = iter(judge_responses(judge, examples[number], responses))
        for run, new in zip(runs, again, strict=True):
            new.pictures.append([next(trials) for _ in run.pictures[place]])
    return again


def _outcome_without_judge(response: Response) -> Outcome | None:
    if is_junk(response.text):
        return "junk"
    if response.unsteered is not None and is_unchanged(response.text, response.unsteered):
        return "unchanged"
    return None
