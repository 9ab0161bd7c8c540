"""Asked about a region by its place: what does the model say when chosen heads cannot see the picture?

Steering shows that heads suffice; blinding them shows whether they are needed. Nothing is pointed anywhere
here. Knows nothing of command lines, documents or tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gazecli.distributed.group import ALONE
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.tasks.task import Advance, shared
from gazecli.evaluation.trials import Said, Trial, judged
from gazecli.heads.headset import Head
from gazecli.models.attention.bias import blinding
from gazecli.models.attention.gaze_attention import KeyBias
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.shared_prefix import ask, with_ids
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture


class Asking:
    """Judged answers to `prompts`, one a region, asked of each picture; `longest` tokens at most."""

    group = ALONE

    def __init__(
        self,
        vlm: VLM,
        examples: Sequence[Example],
        prompts: Sequence[str],
        longest: int,
        judge: Judge | None,
    ) -> None:
        self.vlm = vlm
        self.examples = list(examples)
        self.prompts = list(prompts)
        self.limits = Limits(longest)
        self.judge = judge

    @shared
    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """One list a picture, of one trial a region, while `heads` cannot see the picture at all."""
        found: list[list[Trial]] = []
        for number in numbers:
            texts = self._answers(self.examples[number].load(), heads)
            answers = [Said(region, text) for region, text in enumerate(texts, 1)]
            found.append(judged(self.judge, self.examples[number], answers))
            advance()
        return found

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
            bias = self._blinding(heads, layout)
            written = generate(self.vlm, inputs, layout, bias, len(rows), self.limits, ids=ids)
            for row, tokens in zip(rows, written, strict=True):
                texts[row] = self.vlm.decode(tokens).strip()
        return texts

    def _answer(self, picture: Picture, prompt: str, heads: Sequence[Head]) -> str:
        inputs, layout = self.vlm.prepare(picture, prompt)
        written = generate(self.vlm, inputs, layout, self._blinding(heads, layout), 1, self.limits)
        return self.vlm.decode(written[0]).strip()

    def _blinding(self, heads: Sequence[Head], layout: ImageLayout) -> KeyBias | None:
        return blinding(self.vlm.check_heads(heads), layout, self.vlm.device) if heads else None
