"""How heads can be steered: modes, scopes and strengths, as words and numbers.

Without tensors, so that settings are read and compared without torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from gazecli.errors import UsageError

Mode = Literal["boost-suppress", "suppress-image", "suppress-all", "max-suppress-all", "blind"]
Scope = Literal["full", "question", "answer", "decode"]
MODES: tuple[str, ...] = get_args(Mode)
SCOPES: tuple[str, ...] = get_args(Scope)
STRENGTH = 10.0  # keeps bfloat16 exact, and redirects as well as more
HARD = 10000.0  # the released code's stand-in for infinity


def parse_strength(strength: float | str, mode: str = "boost-suppress") -> float:
    """A positive number of logits; `hard` is 10000, and so is every strength in the mode `blind`.

    A weaker one would leave a tenth of its look to a head that looks at little else. Raises UsageError for
    anything else.
    """
    try:
        value = HARD if strength == "hard" else float(strength)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value <= HARD:
        raise UsageError(
            "the strength must be a number above 0 and at most 10000, or `hard`",
            subject=str(strength),
            hint="10 redirects as well as more; below 5 random heads begin to redirect too",
        )
    return HARD if mode == "blind" else value


def check_choice(what: str, name: object, names: Sequence[str]) -> None:
    """UsageError for a mode or scope, as `what` calls it, that is none of `names`."""
    if name not in names:
        raise UsageError(f"no such {what}", subject=str(name)[:80], hint=f"use one of {', '.join(names)}")
