"""What discovery is asked: its settings, the question about each panel, and both as a document.

The same request has the same head set. Nothing heavy is imported, so that a stored head set is found without
torch.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gazecli.errors import UsageError
from gazecli.models.prompts import check_prompt
from gazecli.pictures.ordinals import count_word, ordinal_word

# Gandikota & Bau 2026 (arXiv 2606.14703), discovery.
DISCOVERY_PROMPT = (
    "Look carefully at this {count}-panel comic strip. What is happening in the {ordinal} panel from "
    "the left? Answer briefly."
)

METHOD = 2  # raised whenever the same request would give other numbers


@dataclass(frozen=True)
class Settings:
    """Settings of discovery that change its result."""

    samples: int | None = None
    panels: int = 6
    height: int = 256
    gap: int = 6
    seed: int = 42
    prompt: str = DISCOVERY_PROMPT
    layout: str | None = None
    rtl: bool = False
    squash: bool = True

    def check(self) -> None:
        """Raise UsageError for a value that makes no sense."""
        bounds = {
            "samples": (1, 10**7),
            "panels": (2, 20),
            "height": (16, 4096),
            "gap": (0, 512),
            "seed": (0, 2**32 - 1),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"--{name} must lie between {low} and {high}",
                    subject=str(value),
                    code=f"usage.{name}",
                    hint=f"leave --{name} out for the default",
                )
        panel_prompts(self.prompt, self.panels)


def request_document(
    model_digest: str, comics_digest: str, settings: Settings, device: str | None, dtype: str | None
) -> Mapping[str, Any]:
    """The document whose digest finds the stored head set."""
    return {
        "what": "discover",
        "method": METHOD,
        "model": model_digest,
        "comics": comics_digest,
        "settings": asdict(settings),
        "device": device or "auto",
        "dtype": dtype or "auto",
    }


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
