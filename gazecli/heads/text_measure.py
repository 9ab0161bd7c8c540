"""Lists of texts become attention masses: where the last token of a question about the k-th text looks.

The list stands in the prompt where a picture would, its texts numbered. What the questions about a list share
is run once, as with a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from gazecli.errors import GazeError, ModelError
from gazecli.heads.measure import LARGEST_BATCH, Measured, on_the_host, tokens_at_once
from gazecli.models.inference.batches import BatchLimit, compute_in_parts
from gazecli.models.inference.profile import phase
from gazecli.models.inference.shared_prefix import (
    SEES_THE_QUESTION,
    Prompts,
    common_prefix,
    last_token_mass,
)
from gazecli.models.text_prompts import Span, TextTokens
from gazecli.models.vlm import VLM


@dataclass(frozen=True)
class AskedList:
    """A list and the questions about it, ready for the model.

    membership: (L, P + 1), which token is of which text, and of any. Where the questions may share nothing,
    `apart` has an entry with its own membership for each.
    """

    number: int
    prompts: Prompts
    membership: torch.Tensor
    apart: list[tuple[Prompts, torch.Tensor]]

    @property
    def key(self) -> tuple[object, ...]:
        """Lists with equal keys can be computed in one batch."""
        tails = tuple(tuple(ids[self.prompts.shared :]) for ids in self.prompts.ids)
        return (self.prompts.shared, tails if self.prompts.shared else (self.number,))

    @property
    def tokens(self) -> int:
        """What all its questions and what they share take."""
        shared = self.prompts.shared
        return shared + sum(len(ids) - shared for ids in self.prompts.ids)


def numbered(texts: Sequence[str]) -> tuple[str, list[Span]]:
    """The texts as a numbered list, a line each, and which characters of it each text is."""
    lines, spans, length = [], [], 0
    for place, text in enumerate(texts, 1):
        number = f"{place}. "
        spans.append((length + len(number), length + len(number) + len(text)))
        lines.append(number + text)
        length += len(lines[-1]) + 1
    return "\n".join(lines), spans


def ask_about_texts(vlm: VLM, number: int, texts: Sequence[str], questions: Sequence[str]) -> AskedList:
    """Tokenise the questions about a list of texts.

    Raises ModelError for a chat template that changes the texts, for a tokenizer that does not say which
    characters its tokens cover, and for PaliGemma, whose prompts begin with a picture.
    """
    if vlm.family in SEES_THE_QUESTION:
        raise ModelError(
            f"{vlm.family} needs a picture: without one its attention is not defined",
            subject=vlm.name,
            hint="find its heads on comics: gaze discover MODEL COMICS",
            code="model.unsupported",
        )
    listing, spans = numbered(texts)
    tokens, tables = [], []
    for question in questions:
        text = vlm.preparation.prompt(f"{listing}\n\n{question}", 0)
        start = text.find(listing)
        if start < 0:
            raise ModelError(
                "the chat template of this model changes the question, so the texts cannot be found in it",
                subject=vlm.name,
                hint="heads are found on texts only where the template leaves them as they are",
                code="model.template",
            )
        found = TextTokens.of(vlm.tokenizer, text)
        vlm.check_tokens(torch.tensor(found.ids))
        table = found.membership([(start + first, start + end) for first, end in spans])
        tokens.append(found.ids)
        tables.append(torch.cat((table, table.sum(1, keepdim=True)), dim=1))
    shared = common_prefix(tokens)
    # A tokenizer may join the end of the last text to what follows, differently before each question.
    last = max(int(table[:, -1].nonzero().max()) for table in tables)
    same = all(torch.equal(table[:shared], tables[0][:shared]) for table in tables)
    if last >= shared or not same:
        shared = 0
    prompts = Prompts({"input_ids": torch.tensor(tokens[:1])}, tokens, shared)
    alone = [
        (Prompts({"input_ids": torch.tensor([ids])}, [ids], 0), table)
        for ids, table in zip(tokens, tables, strict=True)
    ]
    return AskedList(number, prompts, tables[0], [] if shared else alone)


def measured_lists(
    vlm: VLM,
    lists: Sequence[tuple[int, Sequence[str]]],
    questions: Sequence[str],
    batch_size: int | None,
) -> Iterator[list[Measured]]:
    """What is measured of each numbered list, those computed together in one; alike ones come together.

    The columns are those of `heads.measure.measured`, with the texts as panels; there are no maps.
    """
    limit = BatchLimit(batch_size or LARGEST_BATCH, None if batch_size else tokens_at_once(vlm.device))
    with phase("read"):
        asked = [ask_about_texts(vlm, number, texts, questions) for number, texts in lists]
        asked.sort(key=lambda each: (repr(each.key), each.number))
    for _, alike in groupby(asked, lambda each: each.key):
        batch = list(alike)
        while batch:
            count = limit.count_of(batch[0].tokens)
            yield _compute(vlm, batch[:count], limit)
            batch = batch[count:]


def _compute(vlm: VLM, batch: Sequence[AskedList], limit: BatchLimit) -> list[Measured]:
    """Run a batch, in smaller ones where memory does not suffice."""

    def compute(part: Sequence[AskedList]) -> list[Measured]:
        masses = _masses(vlm, part)
        with phase("reduce"):
            return list(zip([each.number for each in part], on_the_host(vlm, masses), strict=True))

    alone = GazeError(
        "one list of texts alone does not fit the device's memory",
        subject=str(vlm.device),
        hint="use shorter texts, --dtype bfloat16, or --device cpu",
        code="discover.memory",
    )
    return compute_in_parts(batch, limit, batch[0].tokens, compute, vlm.device, alone)


def _masses(vlm: VLM, part: Sequence[AskedList]) -> dict[int, torch.Tensor]:
    """Attention of each question's last token on each text, and on all: {layer: (B, P, heads, P + 1)}."""
    if not part[0].apart:
        return last_token_mass(vlm, [each.prompts for each in part], [each.membership for each in part])
    singles: list[tuple[Prompts, torch.Tensor]] = [single for each in part for single in each.apart]
    found: dict[int, Any] = last_token_mass(
        vlm, [prompts for prompts, _ in singles], [table for _, table in singles]
    )
    return {layer: mass[:, 0].unflatten(0, (len(part), -1)) for layer, mass in found.items()}
