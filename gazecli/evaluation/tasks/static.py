"""Redirection: is the region that the heads are pointed at the one the answer describes?

Every region of a picture is asked for in one batch; the unsteered answer is written once a picture.
Knows nothing of command lines, documents or tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from gazecli.distributed.group import ALONE
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Judge
from gazecli.evaluation.tasks.task import Advance, shared
from gazecli.evaluation.trials import Said, Trial, judged
from gazecli.heads.headset import Head
from gazecli.models.inference.generate import Limits, generate
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.steer import SteerSettings, steer_regions


class Redirection:
    """Judged answers about `examples`; unsteered answers are kept, so that each is written once."""

    group = ALONE

    def __init__(
        self, vlm: VLM, examples: Sequence[Example], settings: SteerSettings, judge: Judge | None
    ) -> None:
        self.vlm = vlm
        self.settings = settings
        self.examples = list(examples)
        self.judge = judge
        self._unsteered: dict[int, str] = {}

    @shared
    def trials(self, numbers: Sequence[int], heads: Sequence[Head], advance: Advance) -> list[list[Trial]]:
        """One list a picture, of one trial a region; without heads the unsteered answer stands for each."""
        found: list[list[Trial]] = []
        for number in numbers:
            picture = self.examples[number].load()
            unsteered = self._unsteered_answer(number, picture)
            if heads:
                answers = self._steered(picture, heads, unsteered)
            else:
                answers = [Said(region.number, unsteered) for region in picture.regions]
            found.append(judged(self.judge, self.examples[number], answers))
            advance()
        return found

    def _steered(self, picture: Picture, heads: Sequence[Head], unsteered: str) -> list[Said]:
        steering = steer_regions(
            self.vlm,
            picture,
            picture.regions,
            heads,
            self.settings,
            with_baseline=False,
            # Whether heads redirect is the question here: an ineffective one counts as a miss.
            require_effect=False,
        )
        return [Said(answer.region.number, answer.text, unsteered) for answer in steering.answers]

    def _unsteered_answer(self, number: int, picture: Picture) -> str:
        if number not in self._unsteered:
            inputs, layout = self.vlm.prepare(picture, self.settings.prompt)
            limits = Limits(self.settings.max_new_tokens)
            written = generate(self.vlm, inputs, layout, None, 1, limits)
            self._unsteered[number] = self.vlm.decode(written[0]).strip()
        return self._unsteered[number]
