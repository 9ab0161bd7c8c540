"""Blinding: what does the model answer about a region, named by its place, when heads cannot see the picture?

Steering shows that heads suffice; blinding shows whether they are needed. Nothing is steered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.models.attention.bias import blinding
from gazecli.models.inference.batches import compute_in_parts
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import Questions, ask, with_ids


@dataclass
class BlindingTask(Task):
    """Answers of at most `max_new_tokens` to `prompts`, one a region, while the heads see no image token."""

    prompts: Sequence[str]
    max_new_tokens: int

    def asked(self) -> dict[str, Any]:
        """The questions."""
        return {"task": "blinding", "prompts": list(self.prompts), "max_new_tokens": self.max_new_tokens}

    def write(self, number: int, choices: Sequence[Choice]) -> list[list[Response]]:
        """One response a region for each choice; without heads nothing is blinded.

        Questions of equal length are answered in one batch, under all choices.
        """
        questions = ask(self.vlm, self.examples[number].load(), self.prompts)
        rows = [(choice, question) for choice in choices for question in range(len(questions.ids))]
        # Where the picture's keys depend on the question, questions cannot share a batch.
        apart = {row: (len(questions.ids[row[1]]), None if questions.shared else row[1]) for row in rows}
        texts: dict[tuple[Choice, int], str] = {}
        for group in dict.fromkeys(apart.values()):
            some = [row for row in rows if apart[row] == group]
            texts |= zip(some, self._answers(questions, some), strict=True)
        return [
            [Response(number + 1, texts[choice, number]) for number in range(len(questions.ids))]
            for choice in choices
        ]

    def _answers(self, questions: Questions, rows: Sequence[tuple[Choice, int]]) -> list[str]:
        """Answers to questions of equal length, one a row."""
        vlm, asked = self.vlm, [questions.ids[question] for _, question in rows]
        layout = replace(questions.layout, length=len(asked[0]))
        inputs = with_ids(questions.inputs, asked[0], vlm)
        limits = Limits(self.max_new_tokens)

        def written(some: Sequence[tuple[Choice, int]]) -> list[str]:
            ids = torch.tensor([questions.ids[question] for _, question in some], device=vlm.device)
            heads = [vlm.check_heads(choice.heads or None) for choice, _ in some]
            bias = blinding(heads, layout, vlm.device) if any(heads) else None
            texts = generate(vlm, inputs, layout, bias, len(some), limits, ids=ids)
            return [vlm.decode(tokens).strip() for tokens in texts]

        each = layout.length + self.max_new_tokens
        return compute_in_parts(rows, self.limit, each, written, vlm.device, self.one_too_large)
