"""The question asked about each panel (Gandikota & Bau 2026, arXiv 2606.14703, discovery).

Knows nothing of models.
"""

from __future__ import annotations

import string

from gazecli.errors import UsageError
from gazecli.models.prompts import check_prompt
from gazecli.pictures.ordinals import count_word, ordinal_word

DISCOVERY_PROMPT = (
    "Look carefully at this {count}-panel comic strip. What is happening in the {ordinal} panel from "
    "the left? Answer briefly."
)


def panel_prompts(template: str, panels: int) -> list[str]:
    """One question a panel.

    Raises UsageError when the template does not name `{ordinal}`, or names anything else than `{ordinal}` and
    `{count}`.
    """
    check_prompt(template)
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError:
        names = {"?"}
    if "ordinal" not in names or not names <= {"ordinal", "count"}:
        raise UsageError(
            "the prompt template must contain {ordinal} and may contain {count}, nothing else in braces",
            subject=template,
            hint="for example: 'What is happening in the {ordinal} panel from the left?'",
            code="usage.prompt",
        )
    count = count_word(panels)
    return [template.format(ordinal=ordinal_word(k), count=count) for k in range(1, panels + 1)]
