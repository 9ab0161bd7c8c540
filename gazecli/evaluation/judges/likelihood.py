"""The likelihood judge: which region's pixels, alone, make the answer most likely for the model itself?

It is the model under test, so it shares that model's mistakes and is not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Verdict

if TYPE_CHECKING:
    from gazecli.models.vlm import VLM

# Nats a token by which the best region must lead; closer ones are a tie.
MARGIN = 0.01
_AT_ONCE = 16


class LikelihoodJudge:
    """Judges by the model's own likelihoods, asked `prompt` of every region cut out of its picture."""

    name = "likelihood"
    independent = False

    def __init__(self, vlm: VLM, prompt: str) -> None:
        from gazecli.models.inference.likelihood import check_likelihood

        check_likelihood(vlm)
        self.vlm = vlm
        self.prompt = prompt
        # Not by name: a picture may be listed twice, with other regions.
        self._known: dict[tuple[Example, str], Verdict] = {}

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """The region with the highest mean log-probability a token, none where two are closer than a margin.

        Scores are those means. Answers that came before are remembered.
        """
        from gazecli.models.inference.likelihood import answer_likelihoods

        unknown = [text for text in dict.fromkeys(answers) if (example, text) not in self._known]
        if unknown:
            crops = example.load().crops()
            for first in range(0, len(unknown), _AT_ONCE):
                some = unknown[first : first + _AT_ONCE]
                scores = answer_likelihoods(self.vlm, crops, self.prompt, some)  # (regions, answers)
                for text, column in zip(some, scores.T.tolist(), strict=True):
                    self._known[example, text] = _verdict(column)
        return [self._known[example, text] for text in answers]


def _verdict(scores: list[float]) -> Verdict:
    best, *others = sorted(scores, reverse=True)
    clear = all(best - other > MARGIN for other in others[:1])
    return Verdict(scores.index(best) + 1 if clear else None, tuple(scores))
