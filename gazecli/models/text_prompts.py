"""Prompts without a picture: which token covers which characters, and models that read nothing but text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from gazecli.errors import ModelError
from gazecli.models.chat_templates import chat_template
from gazecli.plain_text import error_words

Span = tuple[int, int]


@dataclass(frozen=True)
class TextProcessor:
    """What a model without pictures has in place of a processor."""

    tokenizer: Any


class TextPreparation:
    """`Preparation` of a language model that sees no pictures: its prompts, and a refusal of pictures."""

    placeholder = -1  # no token stands for a picture

    def __init__(self, processor: TextProcessor, config: Any) -> None:
        self.processor = processor
        self.family: str = config.model_type
        self.chat_template, self.template = chat_template(processor, config)

    def prompt(self, question: str, pictures: int = 0, system: str | None = None) -> str:
        """The prompt of one turn by the model's chat template, or the bare question where it has none.

        Raises ModelError for a prompt with pictures.
        """
        if pictures:
            self.refuse()
        if self.chat_template is None:
            return f"{system + ' ' if system else ''}{question}\n"
        turns = [{"role": "user", "content": question}]
        if system is not None:
            turns.insert(0, {"role": "system", "content": system})
        text: str = self.processor.tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=False, chat_template=self.chat_template
        )
        return text

    def check_bound(self, _bound: int) -> NoReturn:
        """ModelError: no picture takes any token."""
        self.refuse()

    def count(self, *_: object) -> NoReturn:
        """ModelError: no picture takes any token."""
        self.refuse()

    def process(self, *_: object, **__: object) -> NoReturn:
        """ModelError: there is nothing that reads pictures."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """ModelError: this model reads text only."""
        raise ModelError(
            f"{self.family} is a language model without a vision tower, it reads text only",
            hint="choose a vision-language model: see `gaze models`",
            code="model.unsupported",
        )


def load_tokenizer(folder: Path) -> TextProcessor:
    """The tokenizer of a checkpoint folder; ModelError when it cannot be read."""
    from transformers import AutoTokenizer

    try:
        return TextProcessor(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
    except Exception as failure:  # foreign files: tokenizers raise nearly anything
        raise ModelError(
            f"the tokenizer of this checkpoint cannot be loaded ({error_words(failure)})",
            subject=str(folder),
            hint="the folder needs the tokenizer's files beside config.json",
            code="model.processor",
        ) from failure


@dataclass(frozen=True)
class TextTokens:
    """The tokens of a text, and which of its characters each covers: (first, end); empty for special ones."""

    ids: list[int]
    spans: list[Span]

    @classmethod
    def of(cls, tokenizer: Any, text: str) -> TextTokens:
        """Tokenise a whole prompt; ModelError for a tokenizer that does not say what its tokens cover."""
        # A template that writes the token which begins a text has it once, as with a picture.
        once = not (tokenizer.bos_token and text.startswith(tokenizer.bos_token))
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                "the tokenizer of this model does not say which characters a token covers",
                subject=type(tokenizer).__name__,
                hint="heads are found on texts with a tokenizer of the tokenizers library (tokenizer.json)",
                code="model.tokenizer",
            )
        found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=once)
        return cls(list(found["input_ids"]), [(int(a), int(b)) for a, b in found["offset_mapping"]])

    def membership(self, parts: Sequence[Span]) -> torch.Tensor:
        """Which token belongs to which part of the text, given by its characters: (L, parts) of 0 and 1.

        A token that reaches over the end of a part belongs to it; one that covers characters of several, to
        the part of which it covers most, the first of equals. Raises ModelError for a part that no token
        covers.
        """
        table = torch.zeros(len(self.ids), len(parts))
        for place, (first, end) in enumerate(self.spans):
            covered = [min(end, last) - max(first, start) for start, last in parts]
            most = max(covered)
            if most > 0:
                table[place, covered.index(most)] = 1.0
        if not bool(table.any(dim=0).all()):
            raise ModelError(
                "the tokenizer gives one of the texts no token of its own",
                hint="make the texts longer than a letter or two",
                code="model.tokenizer",
            )
        return table
