"""Natural pictures to evaluate on: annotated boxes as regions, the names of things as truth.

Knows nothing of models or of how names are found in answers.
"""

from __future__ import annotations

import random
from pathlib import Path

from gazecli.errors import AnnotationsError, BadInput, UsageError
from gazecli.evaluation.coco_synonyms import SYNONYMS
from gazecli.evaluation.examples import Example, Examples
from gazecli.pictures.coco import AnnotatedPicture, read_coco
from gazecli.pictures.comics import Comics
from gazecli.pictures.strip import Skipped

# Gandikota & Bau 2026 (arXiv 2606.14703), natural images.
PROMPT = "What is the main object in this part of the image? Answer in a few words."


def coco_examples(
    annotations: Path, images: Path, min_area: float, samples: int | None, seed: int
) -> Examples:
    """The pictures that can be read, `samples` of them drawn by the `seed`.

    Raises AnnotationsError when the annotations are bad or no picture can be read, UsageError for impossible
    numbers.
    """
    if not 0 <= min_area < float("inf"):
        raise UsageError(
            "--min-area is a number of pixels from 0",
            subject=str(min_area),
            hint="leave it out for the default",
        )
    if samples is not None and samples < 1:
        raise UsageError(
            "the number of samples must be at least 1",
            subject=str(samples),
            hint="leave it out for all pictures",
        )
    found, skipped = read_coco(annotations, images, min_area)
    if samples is not None and samples < len(found):
        drawn = sorted(random.Random(seed).sample(range(len(found)), samples))
        found = [found[number] for number in drawn]
    usable: list[Example] = []
    for picture in found:
        try:
            picture.strip.load()
        except BadInput as error:
            skipped.append(Skipped(picture.strip.name, error.message, error.hint))
        else:
            usable.append(_example(picture))
    if not usable:
        raise AnnotationsError("no picture can be read", subject=str(images), hint="check --images")
    most = max(example.regions for example in usable)
    strips = [example.strip for example in usable if example.strip is not None]
    return Examples(Comics(annotations, "coco", most, [*strips], skipped), usable, skipped)


def _example(picture: AnnotatedPicture) -> Example:
    return Example(
        picture.strip.name,
        len(picture.things),
        tuple(thing.category for thing in picture.things),
        picture.strip,
        tuple(SYNONYMS.get(thing.category.casefold(), ()) for thing in picture.things),
        tuple(thing.size for thing in picture.things),
    )
