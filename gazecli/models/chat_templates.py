"""The chat template of a checkpoint: its own, else its family's published one, else none.

Fine-tunes lose theirs easily. A family's is taken only where the tokenizer knows all of its marks. Templates
that tell the model today's date are told one date for ever: a prompt is the same on every day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Origin = Literal["own", "family", "none"]
NOTES: dict[str, str] = {
    "family": "this checkpoint has no chat template; the published one of its family is used",
    "none": "this checkpoint has no chat template, nor is one known for its family: "
    "the question follows the picture as it stands",
}
# What templates that ask for the day are told, as Mistral's are.
TODAY = date(2026, 1, 1)
_ASKS_FOR_THE_DAY = "strftime_now"
_DATE_CODES = ("%-d", "%-m", *(f"%{letter}" for letter in "YymdBbAaHIMSpjFT"))
# Trained on bare questions behind the picture: without a template it has all it needs.
_BARE = ("paligemma",)


@dataclass(frozen=True)
class _Turns:
    """How a family writes turns. `marks`: tokens that the tokenizer must know."""

    user: str
    assistant: str
    image: str
    end: str
    system: str
    marks: tuple[str, ...]
    start: str = ""
    silent: str = ""  # what stands before the first turn when there is no system prompt

    def template(self) -> str:
        """The same as a chat template in Jinja."""
        return (
            f"{{{{- {self.start!r} -}}}}"
            f"{{%- if messages[0]['role'] != 'system' -%}}{{{{- {self.silent!r} -}}}}{{%- endif -%}}"
            "{%- for message in messages -%}"
            "{{- {" + f"'user': {self.user!r}, 'system': {self.system!r}, 'assistant': {self.assistant!r}"
            "}[message['role']] -}}"
            "{%- if message['content'] is string -%}{{- message['content'] -}}{%- else -%}"
            "{%- for part in message['content'] -%}"
            f"{{%- if part['type'] == 'image' -%}}{{{{- {self.image!r} -}}}}"
            "{%- elif part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
            "{%- endfor -%}{%- endif -%}"
            f"{{{{- {self.end!r} -}}}}"
            "{%- endfor -%}"
            f"{{%- if add_generation_prompt -%}}{{{{- {self.assistant!r} -}}}}{{%- endif -%}}"
        )


def _chatml(image: str, *marks: str, silent: str = "") -> _Turns:
    return _Turns(
        user="<|im_start|>user\n",
        assistant="<|im_start|>assistant\n",
        system="<|im_start|>system\n",
        image=image,
        end="<|im_end|>\n",
        marks=("<|im_start|>", "<|im_end|>", *marks),
        silent=silent,
    )


_QWEN = ("<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
_HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
_FAMILIES = {
    "qwen2_vl": _chatml(*_QWEN, silent=_HELPFUL),
    "qwen2_5_vl": _chatml(*_QWEN, silent=_HELPFUL),
    "qwen3_vl": _chatml(*_QWEN),
    "qwen3_vl_moe": _chatml(*_QWEN),
    "internvl": _chatml("<IMG_CONTEXT>\n", "<IMG_CONTEXT>"),
    "llava": _Turns("USER: ", "ASSISTANT:", "<image>\n", " ", system="", marks=("<image>",)),
    "gemma3": _Turns(
        user="<start_of_turn>user\n",
        assistant="<start_of_turn>model\n",
        system="<start_of_turn>user\n",
        image="<start_of_image>",
        end="<end_of_turn>\n",
        marks=("<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>"),
        start="<bos>",
    ),
}


def chat_template(processor: Any, config: Any) -> tuple[str | None, Origin]:
    """The template in Jinja to write prompts with, and whose it is; None where there is none."""
    for owner in (processor, processor.tokenizer):
        if own := _text_of(getattr(owner, "chat_template", None)):
            return _on_one_day(own), "own"
    family = config.model_type
    if family in _BARE:
        return None, "own"
    turns = _FAMILIES.get(family)
    # LLaVA is the family of many language models, of which Vicuna alone, a Llama, writes these turns.
    other = family == "llava" and config.get_text_config().model_type != "llama"
    if turns is None or other or not all(_knows(processor.tokenizer, mark) for mark in turns.marks):
        return None, "none"
    return turns.template(), "family"


def _text_of(template: Any) -> str | None:
    """One template in Jinja; of several with names, the one for chats."""
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), None)
    return template if isinstance(template, str) else None


def _on_one_day(template: str) -> str:
    """The template with a clock that stands at TODAY."""
    if _ASKS_FOR_THE_DAY not in template:
        return template
    written = "".join(f"|replace({code!r}, {TODAY.strftime(code)!r})" for code in _DATE_CODES)
    clock = f"{{%- macro {_ASKS_FOR_THE_DAY}(format) -%}}{{{{- format{written} -}}}}{{%- endmacro -%}}"
    return clock + template


def _knows(tokenizer: Any, mark: str) -> bool:
    return len(tokenizer(mark, add_special_tokens=False)["input_ids"]) == 1
