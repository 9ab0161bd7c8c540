"""The questions of discovery: a template with places, and the question about each panel made of it.

`{ordinal}` is "1st", `{ordinal_word}` "first", `{number}` "1" and `{count}` "six".
"""

from __future__ import annotations

import string
from collections.abc import Mapping

from gazecli.errors import UsageError
from gazecli.pictures.ordinals import count_word, ordinal_digits, ordinal_word
from gazecli.plain_text import check_prompt

# The wording of the code that Gandikota & Bau 2026 (arXiv 2606.14703) released.
DISCOVERY_PROMPT = (
    "Look carefully at this {count}-panel comic strip. What is happening in the {ordinal} panel from "
    "the left? Answer briefly."
)

# The same of a list of texts.
TEXT_PROMPT = (
    "Look carefully at this list of {count} texts. What is happening in the {ordinal} text from the top? "
    "Answer briefly."
)

_OF_A_PANEL = frozenset({"ordinal", "ordinal_word", "number"})
# In what is kept, {ordinal} is the word, as it was when the first head sets were kept.
_KEPT = {"ordinal": "ordinal_digits", "ordinal_word": "ordinal"}
_GIVEN = {kept: given for given, kept in _KEPT.items()}


def panel_prompts(template: str, panels: int) -> list[str]:
    """One question a panel.

    Raises UsageError when the template does not say which panel is meant, by `{ordinal}`, `{ordinal_word}` or
    `{number}`, or has anything else than these and `{count}` in braces.
    """
    check_prompt(template)
    try:
        places = [place for place in string.Formatter().parse(template) if place[1] is not None]
    except ValueError:
        places = []
    names = {name for _, name, _, _ in places}
    # Widths and conversions have no use here, and could ask for a question of a gigabyte.
    plain = not any(form or conversion for _, _, form, conversion in places)
    if not names & _OF_A_PANEL or not names <= {*_OF_A_PANEL, "count"} or not plain:
        raise UsageError(
            "the prompt template must contain {ordinal}, {ordinal_word} or {number} and may contain {count}, "
            "nothing else in braces",
            subject=template,
            hint="for example: 'What is happening in the {ordinal} panel from the left?'",
            code="usage.prompt",
        )
    count = count_word(panels)
    return [
        template.format(ordinal=ordinal_digits(k), ordinal_word=ordinal_word(k), number=k, count=count)
        for k in range(1, panels + 1)
    ]


def kept_template(template: str) -> str:
    """The form of a template that is hashed: equal questions have the keys and digests they always had."""
    return _renamed(template, _KEPT)


def given_template(kept: str) -> str:
    """The template of its kept form; what is none stays as it is."""
    return _renamed(kept, _GIVEN)


def _renamed(template: str, names: Mapping[str, str]) -> str:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError:
        return template
    parts = []
    for text, name, _, _ in parsed:
        parts.append(text.replace("{", "{{").replace("}", "}}"))
        if name is not None:
            parts.append(f"{{{names.get(name, name)}}}")
    return "".join(parts)
