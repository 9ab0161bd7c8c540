"""Whether a model sees: it names the colour of whole pictures, or reads words, better than blind guesses.

No random model can, whatever its weights: this is the check that knows what the others take for granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw, ImageFont

from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture

# Of eight. Eight blind guesses that are all different have six right once in 1390 times (a permutation of
# eight with at least six fixed points), guesses made one by one still more rarely.
ENOUGH = 6
_SIDE = 224
_PAINTS = {
    "red": (220, 20, 30),
    "orange": (250, 140, 20),
    "yellow": (250, 225, 30),
    "green": (30, 150, 50),
    "blue": (30, 60, 210),
    "purple": (120, 40, 160),
    "white": (250, 250, 250),
    "black": (10, 10, 10),
}
_WORDS = ("apple", "bread", "chair", "dog", "fish", "house", "moon", "train")


@dataclass(frozen=True)
class Quiz:
    """One question about several pictures; the answer to each picture is wrong for all others."""

    question: str
    pictures: dict[str, Image.Image]


def colours() -> Quiz:
    """Pictures of one colour each."""
    pictures = {name: Image.new("RGB", (_SIDE, _SIDE), paint) for name, paint in _PAINTS.items()}
    return Quiz("What colour is this picture? Answer with one word.", pictures)


def words() -> Quiz:
    """Pictures of one large word each."""
    return Quiz(
        "Which word is written in this picture? Answer with that word only.", dict(map(_written, _WORDS))
    )


def _written(word: str) -> tuple[str, Image.Image]:
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    middle = (_SIDE // 2, _SIDE // 2)
    ImageDraw.Draw(image).text(
        middle, word.capitalize(), "black", ImageFont.load_default(_SIDE // 4), anchor="mm"
    )
    return word, image


@torch.inference_mode()
def right_answers(vlm: VLM, quiz: Quiz) -> int:
    """How many pictures have their own answer as the likeliest, of the first tokens of all answers.

    Each answer's log-probability is taken relative to its mean over the pictures, so that a word the model
    likes to begin with, whatever it sees, counts for nothing.
    """
    answers = [_first_tokens(vlm, answer) for answer in quiz.pictures]
    shared = set.intersection(*answers)  # such as the token of a space
    scores = []
    for image in quiz.pictures.values():
        inputs, _ = vlm.prepare(Picture.from_image(image), quiz.question)
        vlm.forget_positions()
        logits = vlm.model(**inputs, use_cache=False, logits_to_keep=1).logits[0, -1]
        likely = logits.float().log_softmax(-1).cpu()  # (V,)
        scores.append([_together(likely, sorted(tokens - shared)) for tokens in answers])
    table = torch.tensor(scores)  # (pictures, answers)
    chosen = (table - table.mean(0)).argmax(1)
    return int((chosen == torch.arange(len(chosen))).sum())


def _first_tokens(vlm: VLM, answer: str) -> set[int]:
    """The tokens that an answer may begin with, however it is spelled."""
    spellings = [
        before + word for word in (answer, answer.capitalize(), answer.upper()) for before in ("", " ")
    ]
    tokenised = [vlm.tokenizer(each, add_special_tokens=False)["input_ids"] for each in spellings]
    return {ids[0] for ids in tokenised if ids}


def _together(likely: torch.Tensor, tokens: Sequence[int]) -> float:
    known = [token for token in tokens if token < len(likely)]
    return float(likely[known].logsumexp(0)) if known else -1e4
