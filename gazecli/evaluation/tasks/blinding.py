"""Blinding: what does the model answer about a region, named by its place, when heads cannot see the picture?

Steering shows that heads suffice; blinding shows whether they are needed. Nothing is steered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gazecli.distributed.group import ALONE, Group
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.heads.headset import Head
from gazecli.models.attention.bias import blinding
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import ask, with_ids
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture


class BlindingTask(Task):
    """Answers of at most `max_new_tokens` to `prompts`, one a region, while the heads see no image token."""

    def __init__(
        self,
        vlm: VLM,
        examples: Sequence[Example],
        prompts: Sequence[str],
        max_new_tokens: int,
        judge: Judge | None,
        group: Group = ALONE,
    ) -> None:
        super().__init__(vlm, examples, judge, group)
        self.prompts = list(prompts)
        self.limits = Limits(max_new_tokens)

    def responses(self, number: int, heads: Sequence[Head]) -> list[Response]:
        """One response a region; without heads nothing is blinded."""
        texts = self._answers(self.examples[number].load(), heads)
        return [Response(region, text) for region, text in enumerate(texts, 1)]

    def _answers(self, picture: Picture, heads: Sequence[Head]) -> list[str]:
        """Questions of equal length are answered in one batch."""
        questions = ask(self.vlm, picture, self.prompts)
        if not questions.shared:
            return [self._answer(picture, prompt, heads) for prompt in self.prompts]
        texts = [""] * len(questions.ids)
        for length in sorted({len(ids) for ids in questions.ids}):
            rows = [row for row, ids in enumerate(questions.ids) if len(ids) == length]
            ids = torch.tensor([questions.ids[row] for row in rows], device=self.vlm.device)
            layout = replace(questions.layout, length=length)
            inputs = with_ids(questions.inputs, questions.ids[rows[0]], self.vlm)
            bias = self._bias(heads, layout)
            written = generate(self.vlm, inputs, layout, bias, len(rows), self.limits, ids=ids)
            for row, tokens in zip(rows, written, strict=True):
                texts[row] = self.vlm.decode(tokens).strip()
        return texts

    def _answer(self, picture: Picture, prompt: str, heads: Sequence[Head]) -> str:
        inputs, layout = self.vlm.prepare(picture, prompt)
        written = generate(self.vlm, inputs, layout, self._bias(heads, layout), 1, self.limits)
        return self.vlm.decode(written[0]).strip()

    def _bias(self, heads: Sequence[Head], layout: ImageLayout) -> KeyBias | None:
        return blinding(self.vlm.check_heads(heads), layout, self.vlm.device) if heads else None
