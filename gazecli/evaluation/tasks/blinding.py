"""Blinding: what does the model answer about a region, named by its place, when heads cannot see the picture?

Steering shows that heads suffice; blinding shows whether they are needed. Nothing is steered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.heads.headset import Head
from gazecli.models.attention.bias import blinding
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import ask, with_ids
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.pictures.picture import Picture


@dataclass
class BlindingTask(Task):
    """Answers of at most `max_new_tokens` to `prompts`, one a region, while the heads see no image token."""

    prompts: Sequence[str]
    max_new_tokens: int

    def responses(self, number: int, heads: Sequence[Head]) -> list[Response]:
        """One response a region; without heads nothing is blinded."""
        texts = self._answers(self.examples[number].load(), heads)
        return [Response(region, text) for region, text in enumerate(texts, 1)]

    def _answers(self, picture: Picture, heads: Sequence[Head]) -> list[str]:
        """Questions of equal length are answered in one batch."""
        questions = ask(self.vlm, picture, self.prompts)
        if not questions.shared:
            prepared = (self.vlm.prepare(picture, prompt) for prompt in self.prompts)
            return [self._written(inputs, layout, heads)[0] for inputs, layout in prepared]
        texts = [""] * len(questions.ids)
        for length in sorted({len(ids) for ids in questions.ids}):
            rows = [row for row, ids in enumerate(questions.ids) if len(ids) == length]
            ids = torch.tensor([questions.ids[row] for row in rows], device=self.vlm.device)
            layout = replace(questions.layout, length=length)
            inputs = with_ids(questions.inputs, questions.ids[rows[0]], self.vlm)
            for row, text in zip(rows, self._written(inputs, layout, heads, ids), strict=True):
                texts[row] = text
        return texts

    def _written(
        self, inputs: Any, layout: ImageLayout, heads: Sequence[Head], ids: torch.Tensor | None = None
    ) -> list[str]:
        bias = blinding(self.vlm.check_heads(heads), layout, self.vlm.device) if heads else None
        count = 1 if ids is None else len(ids)
        written = generate(self.vlm, inputs, layout, bias, count, Limits(self.max_new_tokens), ids=ids)
        return [self.vlm.decode(tokens).strip() for tokens in written]
