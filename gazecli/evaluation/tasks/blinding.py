"""Blinding: what does the model answer about a region, named by its place, when heads cannot see the picture?

Steering shows that heads suffice; blinding shows whether they are needed. Nothing is steered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.tasks.task import Opened, Row, Task
from gazecli.evaluation.trials import Response
from gazecli.models.attention.bias import blinding
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.inference.shared_prefix import ask, with_ids


@dataclass
class BlindingTask(Task):
    """Answers of at most `max_new_tokens` to `prompts`, one a region, while the heads see no image token."""

    prompts: Sequence[str]
    max_new_tokens: int

    def asked(self) -> dict[str, Any]:
        """The questions."""
        return {"task": "blinding", "prompts": list(self.prompts), "max_new_tokens": self.max_new_tokens}

    def open(self, number: int, choices: Sequence[Choice]) -> Opened:
        """A row for each question under each choice. Questions of equal length can share a batch."""
        picture = self.examples[number].load()
        questions = ask(self.vlm, picture, self.prompts)
        rows = [Row(choice, question) for choice in choices for question in range(len(questions.ids))]
        lengths = [len(questions.ids[row.target]) for row in rows]
        # Where the picture's keys depend on the question, questions cannot share a batch.
        groups = [
            (length, None if questions.shared else row.target)
            for row, length in zip(rows, lengths, strict=True)
        ]
        tokens = [length + self.max_new_tokens for length in lengths]
        kept = KeptPicture(self.vlm, picture)
        return Opened(number, choices, kept, questions, questions.key, rows, groups, tokens)

    def write(self, pictures: Sequence[Opened], rows: Sequence[Sequence[Row]]) -> list[str]:
        """Answers to questions of equal length, one a row."""
        vlm = self.vlm
        asked = [
            [each.prepared.ids[row.target] for row in own] for each, own in zip(pictures, rows, strict=True)
        ]
        flat = [row for own in rows for row in own]
        layout = replace(pictures[0].prepared.layout, length=len(asked[0][0]))
        heads = self.heads_of([row.choice for row in flat])
        texts = generate(
            vlm,
            [with_ids(each.prepared.inputs, own[0], vlm) for each, own in zip(pictures, asked, strict=True)],
            layout,
            blinding(heads, layout, vlm.device) if any(heads) else None,
            [len(own) for own in rows],
            Limits(self.max_new_tokens),
            ids=torch.tensor([ids for own in asked for ids in own], device=vlm.device),
            kept=[each.kept for each in pictures],
        )
        return [vlm.decode(tokens).strip() for tokens in texts]

    def responses_of(self, picture: Opened, written: dict[Row, str]) -> list[list[Response]]:
        """One response a region for each choice; without heads nothing is blinded."""
        questions = range(len(self.prompts))
        return [
            [Response(number + 1, written[Row(choice, number)]) for number in questions]
            for choice in picture.choices
        ]
