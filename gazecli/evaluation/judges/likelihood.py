"""The likelihood judge: which region's pixels, alone, make the answer most likely for the model itself?

It is the model under test, so it shares that model's mistakes and is not independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gazecli.cache.files import VERDICTS
from gazecli.canonical import json_digest
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Verdict

if TYPE_CHECKING:
    from gazecli.cache.journal import Journal
    from gazecli.cache.store import Cache
    from gazecli.models.vlm import VLM

# Nats a token by which the best region must lead; closer ones are a tie.
MARGIN = 0.01
_AT_ONCE = 16
METHOD = 1  # raised whenever the same answer would get other scores


class LikelihoodJudge:
    """Judges by the model's own likelihoods, asked `prompt` of every region cut out of its picture.

    cache: where scores are kept as soon as they are there, if anywhere. anew: judge again what is kept.
    """

    name = "likelihood"
    independent = False

    def __init__(self, vlm: VLM, prompt: str, cache: Cache | None = None, anew: bool = False) -> None:
        from gazecli.models.inference.likelihood import check_likelihood

        check_likelihood(vlm)
        self.vlm = vlm
        self.prompt = prompt
        self._cache = cache
        self._anew = anew
        # Not by name: a picture may be listed twice, with other regions.
        self._known: dict[tuple[Example, str], Verdict] = {}

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """The region with the highest mean log-probability a token, none where two are closer than a margin.

        Scores are those means. Answers that came before are remembered, those of earlier runs too.
        """
        from gazecli.models.inference.likelihood import answer_likelihoods

        unknown = [text for text in dict.fromkeys(answers) if (example, text) not in self._known]
        identity = example.identity if unknown and self._journal is not None else None
        unknown = [text for text in unknown if not self._restore(example, identity, text)]
        if unknown:
            crops = example.load().crops()
            for first in range(0, len(unknown), _AT_ONCE):
                some = unknown[first : first + _AT_ONCE]
                scores = answer_likelihoods(self.vlm, crops, self.prompt, some)  # (regions, answers)
                for text, column in zip(some, scores.T.tolist(), strict=True):
                    self._known[example, text] = _verdict(column)
                    if self._journal is not None and identity is not None:
                        self._journal.put(json_digest([identity, text]), column)
        return [self._known[example, text] for text in answers]

    def _restore(self, example: Example, identity: str | None, text: str) -> bool:
        """Whether what an earlier run found of an answer about these pixels and regions is known again."""
        if self._journal is None or identity is None or self._anew:
            return False
        scores = self._journal.get(json_digest([identity, text]))
        if not _are_scores(scores, example.regions):
            return False
        self._known[example, text] = _verdict(scores)
        return True

    @cached_property
    def _journal(self) -> Journal | None:
        """Where scores are kept."""
        if self._cache is None:
            return None
        vlm = self.vlm
        asked: dict[str, Any] = {
            "what": "likelihoods",
            "method": METHOD,
            "model": vlm.digest,
            "device": vlm.device.type,
            "dtype": vlm.dtype,
            "squash": vlm.squash,
            "image_tokens": vlm.image_tokens,
            "prompt": self.prompt,
        }
        return self._cache.journal(asked, VERDICTS)


def _are_scores(record: Any, regions: int) -> bool:
    return (
        isinstance(record, list)
        and len(record) == regions
        and all(isinstance(score, float) and math.isfinite(score) for score in record)
    )


def _verdict(scores: list[float]) -> Verdict:
    best, *others = sorted(scores, reverse=True)
    clear = all(best - other > MARGIN for other in others[:1])
    return Verdict(scores.index(best) + 1 if clear else None, tuple(scores))
