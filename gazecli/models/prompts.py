"""How a question and its pictures become a model's prompt text."""

from __future__ import annotations

from typing import Any

from gazecli.errors import UsageError


def check_prompt(prompt: str) -> None:
    """UsageError for a prompt without words, or one that UTF-8 cannot carry."""
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="leave --prompt out for the default question")
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "the prompt is no text in UTF-8", subject=prompt, hint="write it in the terminal's own encoding"
        ) from None


def refuse_image_token(tokenizer: Any, image_token: int, *texts: str | None) -> None:
    """UsageError when a text spells the token that stands for the picture: it would be taken for one."""
    spelled = tokenizer.convert_ids_to_tokens(image_token)
    for text in texts:
        if text is not None and isinstance(spelled, str) and spelled in text:
            raise UsageError(
                "the prompt holds the model's own token for a picture", subject=spelled, hint="leave it out"
            )


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
