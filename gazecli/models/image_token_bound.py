"""The bound on image tokens that a user gives. Imports no model library."""

from __future__ import annotations

from gazecli.errors import UsageError

MOST = 10**6


def check_image_tokens(image_tokens: int | None) -> None:
    """UsageError for a bound that is no number of tokens; None is none."""
    if image_tokens is not None and not 1 <= image_tokens <= MOST:
        raise UsageError(
            f"--image-tokens must be between 1 and {MOST}",
            subject=str(image_tokens),
            hint="leave it out for as many as the model's processor makes",
            code="usage.image_tokens",
        )
