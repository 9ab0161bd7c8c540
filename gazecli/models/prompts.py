"""How a question and its pictures become a model's prompt text.

Knows nothing of tokens or weights.
"""

from __future__ import annotations

from typing import Any


def prompt_text(processor: Any, question: str, pictures: int = 1, system: str | None = None) -> str:
    """The prompt of one turn with `pictures` pictures before the question, by the model's chat template.

    A checkpoint without a template gets the plain form its placeholder suggests.
    """
    content = [{"type": "image"}] * pictures + [{"type": "text", "text": question}]
    turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    template = getattr(processor, "chat_template", None) or getattr(
        processor.tokenizer, "chat_template", None
    )
    if template is None:
        token = getattr(processor, "image_token", "<image>")
        return f"{system + ' ' if system else ''}{token * pictures}\n{question}\n"
    text: str = processor.apply_chat_template(
        turns, add_generation_prompt=True, tokenize=False, chat_template=template
    )
    return text
