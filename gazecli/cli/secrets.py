"""Tokens and keys, kept out of whatever is said on standard error.

A second line of defence: nothing of gaze says them, and libraries whose errors are passed on might. Knows
nothing of what is said.
"""

from __future__ import annotations

import os
import re

_SHORTEST = 8
_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
# Variables that say where a secret is, not what it is.
_PLACES = re.compile(r"(PATH|FILE|DIR|HOME)$", re.IGNORECASE)
_SHAPES = (
    (re.compile(r"\b(hf|sk)[_-][A-Za-z0-9_-]{16,}"), r"\1_<hidden>"),
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), "<hidden>"),
    (re.compile(r"(?i)(?<=bearer )\S+"), "<hidden>"),
)


def without_secrets(text: str) -> str:
    """`text` with the values of secret environment variables, and what has the form of a token, taken out."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value in text and _NAMES.search(name) and not _PLACES.search(name):
            text = text.replace(value, f"<{name}>")
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text
