"""Redirection: does the answer describe the region that the heads are steered to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.tasks.task import Opened, Row, Task, asked_with
from gazecli.evaluation.trials import Response
from gazecli.models.attention.bias import key_bias
from gazecli.models.attention.modes import parse_strength
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.inference.kept_picture import KeptPicture
from gazecli.models.inference.shared_prefix import sizes_of
from gazecli.models.token_maps.shared_tokens import numbers_sharing
from gazecli.steering.settings import SteerSettings


@dataclass
class RedirectionTask(Task):
    """One question, answered once a region: choices and regions of pictures are rows of one batch.

    Serves `static` and `vqa`, which differ in their question. The unsteered answer is one row more.
    """

    settings: SteerSettings

    def asked(self) -> dict[str, Any]:
        """How it is asked and steered."""
        return {"task": "redirection", **asked_with(self.settings)}

    def strength(self, choice: Choice) -> float:
        """That of the choice, or of the settings."""
        return parse_strength(self.settings.strength if choice.strength is None else choice.strength)

    def open(self, number: int, choices: Sequence[Choice]) -> Opened:
        """A row for each region under each choice, and one unsteered."""
        kept = KeptPicture(self.vlm, self.examples[number].load())
        inputs, layout = kept.prepare(self.settings.prompt)
        steered = [choice for choice in choices if choice.heads]
        rows = [
            Row(Choice()),
            *(Row(choice, region) for choice in steered for region in kept.picture.regions),
        ]
        tokens = layout.length + self.settings.max_new_tokens
        sizes = (sizes_of(inputs), tuple(inputs["input_ids"].flatten().tolist()))
        return Opened(
            number, choices, kept, (inputs, layout), sizes, rows, [None] * len(rows), [tokens] * len(rows)
        )

    def write(self, pictures: Sequence[Opened], rows: Sequence[Sequence[Row]]) -> list[str]:
        """The text of each row."""
        vlm, settings = self.vlm, self.settings
        flat = [(picture, row) for picture, own in zip(pictures, rows, strict=True) for row in own]
        # Whether heads redirect is measured here: ineffective ones count as a miss.
        bias = key_bias(
            self.heads_of([row.choice for _, row in flat]),
            [picture.prepared[1] for picture, _ in flat],
            [row.target for _, row in flat],
            [self.strength(row.choice) for _, row in flat],
            settings.mode,
            settings.scope,
            vlm.device,
        )
        texts = generate(
            vlm,
            [picture.prepared[0] for picture in pictures],
            pictures[0].prepared[1],
            bias,
            [len(own) for own in rows],
            Limits(settings.max_new_tokens),
            kept=[picture.kept for picture in pictures],
        )
        return [vlm.decode(tokens).strip() for tokens in texts]

    def responses_of(self, picture: Opened, written: dict[Row, str]) -> list[list[Response]]:
        """One response a region for each choice; without heads the unsteered answer stands for each."""
        unsteered = written[Row(Choice())]
        regions = picture.kept.picture.regions
        sharing = numbers_sharing(picture.prepared[1], regions)
        return [
            [
                Response(
                    region.number,
                    written[Row(choice, region)],
                    unsteered,
                    shares_tokens=region.number in sharing,
                )
                if choice.heads
                else Response(region.number, unsteered)
                for region in regions
            ]
            for choice in picture.choices
        ]
