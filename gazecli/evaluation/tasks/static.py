"""Redirection: does the answer describe the region that the heads are steered to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.tasks.task import Task, asked_with
from gazecli.evaluation.trials import Response
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.modes import parse_strength
from gazecli.models.inference.batches import compute_in_parts
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.pictures.regions import Region
from gazecli.steering.settings import SteerSettings

_Row = tuple[Choice, Region | None]


@dataclass
class RedirectionTask(Task):
    """One question, answered once a region: all choices and regions of a picture are rows of one batch.

    Serves `static` and `vqa`, which differ in their question. The unsteered answer is one row more.
    """

    settings: SteerSettings

    def asked(self) -> dict[str, Any]:
        """How it is asked and steered."""
        return {"task": "redirection", **asked_with(self.settings)}

    def strength(self, choice: Choice) -> float:
        """That of the choice, or of the settings."""
        return parse_strength(self.settings.strength if choice.strength is None else choice.strength)

    def write(self, number: int, choices: Sequence[Choice]) -> list[list[Response]]:
        """One response a region for each choice; without heads the unsteered answer stands for each."""
        kept = KeptPicture(self.vlm, self.examples[number].load())
        regions = kept.picture.regions
        steered = [choice for choice in choices if choice.heads]
        rows: list[_Row] = [(Choice(), None), *((choice, region) for choice in steered for region in regions)]
        texts: dict[_Row, str] = {}
        # One strength a batch.
        for strength in dict.fromkeys(self.strength(choice) for choice, _ in rows):
            some = [row for row in rows if self.strength(row[0]) == strength]
            texts |= zip(some, self._answers(kept, some, strength), strict=True)
        unsteered = texts[Choice(), None]
        return [
            [
                Response(region.number, texts[choice, region], unsteered)
                if choice.heads
                else Response(region.number, unsteered)
                for region in regions
            ]
            for choice in choices
        ]

    def _answers(self, kept: KeptPicture, rows: Sequence[_Row], strength: float) -> list[str]:
        """The text of each row, all steered with one strength."""
        vlm, settings = self.vlm, self.settings
        inputs, layout = kept.prepare(settings.prompt)

        def written(some: Sequence[_Row]) -> list[str]:
            # Whether heads redirect is measured here: ineffective ones count as a miss.
            bias = key_bias(
                [vlm.check_heads(choice.heads or None) for choice, _ in some],
                layout,
                [target for _, target in some],
                strength,
                settings.mode,
                settings.scope,
                vlm.device,
            )
            texts = generate(vlm, inputs, layout, bias, len(some), Limits(settings.max_new_tokens), kept=kept)
            return [vlm.decode(tokens).strip() for tokens in texts]

        each = layout.length + settings.max_new_tokens
        return compute_in_parts(rows, self.limit, each, written, vlm.device, self.one_too_large)
