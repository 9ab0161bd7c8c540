"""The likelihood judge: which region's pixels, alone, make the answer most likely for the model itself?

It is the model under test, so it shares that model's mistakes and is not independent.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.judge import Verdict
from gazecli.models.inference.likelihood import answer_likelihoods, check_likelihood
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.pictures.regions import Region

# Nats a token by which the best region must lead; closer ones are a tie.
MARGIN = 0.01
_AT_ONCE = 16


class LikelihoodJudge:
    """Judges by the model's own likelihoods, asked `prompt` of every region cut out of its picture."""

    name = "likelihood"
    independent = False

    def __init__(self, vlm: VLM, prompt: str) -> None:
        check_likelihood(vlm)
        self.vlm = vlm
        self.prompt = prompt
        # Not by name: a picture may be listed twice, with other regions.
        self._known: dict[tuple[Example, str], Verdict] = {}

    def verdicts(self, example: Example, answers: Sequence[str]) -> list[Verdict]:
        """The region with the highest mean log-probability a token, none where two are closer than a margin.

        Scores are those means. Answers that came before are remembered.
        """
        unknown = [text for text in dict.fromkeys(answers) if (example, text) not in self._known]
        if unknown:
            crops = region_crops(example.load())
            for first in range(0, len(unknown), _AT_ONCE):
                some = unknown[first : first + _AT_ONCE]
                scores = answer_likelihoods(self.vlm, crops, self.prompt, some)  # (regions, answers)
                for text, column in zip(some, scores.T.tolist(), strict=True):
                    self._known[example, text] = _verdict(column)
        return [self._known[example, text] for text in answers]


def region_crops(picture: Picture) -> list[Picture]:
    """Each region of a picture as a picture of its own; what a mask leaves out is white."""
    return [Picture(_crop(picture.image, region)) for region in picture.regions]


def _crop(image: Image.Image, region: Region) -> Image.Image:
    left, top, right, bottom = region.box
    box = (int(left), int(top), max(int(left) + 1, round(right)), max(int(top) + 1, round(bottom)))
    if region.mask is None:
        return image.crop(box)
    shown = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(region.mask))
    return shown.crop(box)


def _verdict(scores: list[float]) -> Verdict:
    best, *others = sorted(scores, reverse=True)
    clear = all(best - other > MARGIN for other in others[:1])
    return Verdict(scores.index(best) + 1 if clear else None, tuple(scores))
