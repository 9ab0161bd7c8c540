"""Captions beside strips: a text file with a line a panel.

Knows nothing of layouts and pictures.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path

from gazecli.errors import ComicsError

_MAX_BYTES = 1 << 20


def read_captions(path: Path, panels: int) -> list[str] | None:
    """The lines of a caption file, one a panel; None when there is no such file.

    Raises ComicsError: unreadable, not UTF-8, or another number of lines.
    """
    if not os.path.isfile(path):
        return None
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ComicsError(
            f"{path.name} is not readable as UTF-8 text",
            subject=str(path),
            hint="save it as UTF-8, or remove it",
        ) from error
    lines = re.split(r"\r\n|\n|\r", text.rstrip("\r\n"))
    return check_captions([line.strip() for line in lines], panels, path.name, str(path))


def check_captions(captions: list[str], panels: int, name: str, subject: str) -> list[str]:
    """The captions themselves when there is one a panel. Raises ComicsError."""
    if len(captions) != panels:
        raise ComicsError(
            f"{name} has {len(captions)} captions for {panels} panels",
            subject=subject,
            hint="write one caption a panel, or none at all",
        )
    return captions
