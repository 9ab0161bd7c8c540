"""How far training is: held-out strips examined, lines of JSON kept.

Knows nothing of the training loop.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from transformers import Qwen2VLForConditionalGeneration

from gazecli.tiny.training.forward import answer_states
from gazecli.tiny.training.lessons import IGNORED, KINDS, Lesson


@torch.no_grad()
def examine(model: Qwen2VLForConditionalGeneration, exam: list[Lesson]) -> dict[str, float]:
    """Held-out strips, teacher-forced: share of answers right in every token, and tokens right, by kind."""
    right_tokens = {kind: [0, 0] for kind in range(len(KINDS))}
    right_answers = [0, 0]
    for lesson in exam:
        labelled = lesson.labels != IGNORED
        guessed = model.lm_head(answer_states(model, lesson)[0]).argmax(1)
        hit = torch.zeros_like(lesson.labels, dtype=torch.bool)
        hit[labelled] = guessed == lesson.labels[labelled]
        for kind in range(len(KINDS)):
            of_kind = labelled & (lesson.kinds == kind)
            right_tokens[kind][0] += int((hit & of_kind).sum())
            right_tokens[kind][1] += int(of_kind.sum())
        for row in range(len(lesson.tokens)):
            for number in range(1, 4):  # the panel questions come first
                answer = (lesson.branch[row] == number) & labelled[row]
                right_answers[0] += int(hit[row][answer].all())
                right_answers[1] += 1
    scores = {
        f"{KINDS[kind]} tokens": round(right / total, 3)
        for kind, (right, total) in right_tokens.items()
        if total
    }
    return {"panel exact": round(right_answers[0] / right_answers[1], 3), **scores}


class Log:
    """Lines of JSON, to a file and to the terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.began = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **facts: object) -> None:
        line = json.dumps({**facts, "minutes": round((time.monotonic() - self.began) / 60, 1)})
        print(line, flush=True)
        with self.path.open("a") as out:
            out.write(line + "\n")
