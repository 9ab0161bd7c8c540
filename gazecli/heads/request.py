"""What was asked of discovery, as a document: the same request has the same head set.

Nothing heavy is imported, so that a stored head set is found without torch. Knows nothing of how
heads are scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gazecli.errors import UsageError
from gazecli.heads.prompts import DISCOVERY_PROMPT, panel_prompts

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
                    f"--{name} must lie between {low} and {high}", subject=str(value), code=f"usage.{name}"
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
