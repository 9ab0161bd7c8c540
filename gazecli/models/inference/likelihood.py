"""The likelihood of given answers to one question about several pictures.

Every picture and its question are run once; all answers follow them as one right-padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from gazecli.errors import ModelError
from gazecli.models.attention.kv_cache import as_argument, repeat_rows
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION, Questions, ask, right_padded, run_prefix
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture


def check_likelihood(vlm: VLM) -> None:
    """ModelError for a model whose prompt sees the answer, so that answers cannot follow a shared prompt."""
    if vlm.family in SEES_THE_QUESTION:
        raise ModelError(
            "this model attends in both directions, so an answer has no likelihood of its own",
            subject=vlm.name,
            hint="choose --judge lexical or endpoint",
            code="model.unsupported",
        )


@torch.inference_mode()
def answer_likelihoods(
    vlm: VLM, pictures: Sequence[Picture], prompt: str, answers: Sequence[str]
) -> torch.Tensor:
    """Mean log-probability of each answer's tokens and its end, given each picture: (pictures, answers).

    Raises ModelError as `check_likelihood` does.
    """
    check_likelihood(vlm)
    tokens = [_tokens(vlm, answer) for answer in answers]
    prepared = [ask(vlm, picture, [prompt]) for picture in pictures]
    scores = torch.zeros(len(pictures), len(answers))
    for key in dict.fromkeys(questions.key for questions in prepared):
        places = [place for place, questions in enumerate(prepared) if questions.key == key]
        scores[places] = _batch(vlm, [prepared[place] for place in places], tokens)
    return scores


def _batch(vlm: VLM, batch: Sequence[Questions], answers: Sequence[list[int]]) -> torch.Tensor:
    """Scores of pictures that are of one size: (pictures, answers)."""
    cache = run_prefix(vlm, batch, whole=True)
    repeat_rows(cache, [len(answers)] * len(batch), vlm.device)
    rests = [questions.ids[0][questions.shared :] + answer for questions in batch for answer in answers]
    ids = right_padded(rests)
    output: Any = vlm.model(input_ids=ids.to(vlm.device), **as_argument(vlm.model, cache), use_cache=True)
    begin = len(batch[0].ids[0]) - batch[0].shared - 1  # what stands there predicts the answer's first token
    predicted = output.logits[:, begin:-1].float().log_softmax(-1).cpu()
    answered = ids[:, begin + 1 :]
    each = predicted.gather(-1, answered[..., None])[..., 0]  # (rows, longest answer)
    lengths = torch.tensor([len(answer) for answer in answers] * len(batch))
    inside = torch.arange(answered.shape[1])[None] < lengths[:, None]
    means: torch.Tensor = each.masked_fill(~inside, 0.0).sum(1) / lengths
    return means.view(len(batch), len(answers))


def _tokens(vlm: VLM, answer: str) -> list[int]:
    """An answer's tokens and, where the model has one, the end after them."""
    tokens: list[int] = vlm.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return [*tokens, *sorted(vlm.end_tokens())[:1]]
