"""The lexical judge of whole examples: by their captions, or by the names of things.

Knows nothing of models or pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judge import NAME, LexicalJudge, Verdict
from gazecli.evaluation.naming import NamingJudge


class Lexical:
    """Judges offline by the truths of each example, which must be known."""

    name = NAME
    independent = True

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """One verdict an answer."""
        truths = example.truths or ()
        judge = NamingJudge(truths, example.synonyms) if example.synonyms else LexicalJudge(truths)
        return [judge.verdict(answer) for answer in answers]
