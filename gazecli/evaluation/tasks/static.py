"""Redirection: does the answer describe the region that the heads are steered to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.heads.headset import Head
from gazecli.models.inference.generate import Limits, generate
from gazecli.pictures.picture import Picture
from gazecli.steering.steer import SteerSettings, steer_regions


@dataclass
class RedirectionTask(Task):
    """One question, answered once a region: all regions of a picture are steered in one batch.

    Serves `static` and `vqa`, which differ in their question. Unsteered answers are written once a picture.
    """

    settings: SteerSettings
    _unsteered: dict[int, str] = field(default_factory=dict, init=False)

    def responses(self, number: int, heads: Sequence[Head]) -> list[Response]:
        """One response a region; without heads the unsteered answer stands for each."""
        picture, settings = self.examples[number].load(), self.settings
        unsteered = self._unsteered_answer(number, picture)
        if not heads:
            return [Response(region.number, unsteered) for region in picture.regions]
        # Whether heads redirect is measured here: ineffective ones count as a miss.
        steering = steer_regions(
            self.vlm, picture, picture.regions, heads, settings, with_baseline=False, require_effect=False
        )
        return [Response(answer.region.number, answer.text, unsteered) for answer in steering.answers]

    def _unsteered_answer(self, number: int, picture: Picture) -> str:
        if number not in self._unsteered:
            inputs, layout = self.vlm.prepare(picture, self.settings.prompt)
            written = generate(self.vlm, inputs, layout, None, 1, Limits(self.settings.max_new_tokens))
            self._unsteered[number] = self.vlm.decode(written[0]).strip()
        return self._unsteered[number]
