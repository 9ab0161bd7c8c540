"""Lists of short texts: what heads are found on where there is no picture.

A file has a text a line, and a blank line between lists. All lists have equally many texts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from gazecli.canonical import json_digest, read_bytes
from gazecli.errors import UsageError

FEWEST, MOST = 2, 20  # texts a list
LONGEST = 1000  # characters of a text
_MOST_BYTES = 1 << 26
_FORM = "write a text a line, equally many for each list, and a blank line between lists"


@dataclass(frozen=True)
class TextLists:
    """Lists of equally many short texts, and the file they came from, if one did.

    Raises UsageError for lists that cannot be asked about.
    """

    lists: tuple[tuple[str, ...], ...]
    path: Path | None = None

    def __post_init__(self) -> None:
        where = None if self.path is None else str(self.path)
        if not self.lists:
            raise UsageError("there are no texts", subject=where, hint=_FORM, code="texts.invalid")
        for number, texts in enumerate(self.lists, 1):
            if wrong := _wrong(texts, len(self.lists[0])):
                raise UsageError(f"list {number} {wrong}", subject=where, hint=_FORM, code="texts.invalid")

    @property
    def panels(self) -> int:
        """Texts a list; each stands where a strip has a panel."""
        return len(self.lists[0])

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of the texts."""
        return "sha256:" + json_digest({"texts": self.lists})

    def sample(self, samples: int | None, seed: int) -> TextLists:
        """So many of the lists, in their order, drawn by `seed`; all where there are no more."""
        if samples is None or samples >= len(self.lists):
            return self
        drawn = sorted(random.Random(seed).sample(range(len(self.lists)), samples))
        return TextLists(tuple(self.lists[place] for place in drawn), self.path)


def text_lists(lists: Iterable[Sequence[str]]) -> TextLists:
    """Lists of texts as a program has them; raises as `TextLists`."""
    return TextLists(tuple(tuple(texts) for texts in lists))


def open_text_lists(path: str | Path) -> TextLists:
    """The lists of a file; UsageError when it cannot be read, is no text in UTF-8, or as `TextLists`."""
    data = read_bytes(Path(path), _MOST_BYTES, "the file of texts", UsageError, _FORM)
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise UsageError(
            "the file of texts is not in UTF-8",
            subject=str(path),
            hint="save it as UTF-8",
            code="texts.invalid",
        ) from error
    return TextLists(tuple(tuple(block) for filled, block in groupby(lines, bool) if filled), Path(path))


def _wrong(texts: Sequence[str], expected: int) -> str | None:
    """What is wrong with a list, in words."""
    if not FEWEST <= len(texts) <= MOST:
        return f"has {len(texts)} text{'' if len(texts) == 1 else 's'}, and may have {FEWEST} to {MOST}"
    if len(texts) != expected:
        return f"has {len(texts)} texts, and the first has {expected}"
    for text in texts:
        if not isinstance(text, str) or not text.strip() or "\n" in text:
            return "holds something that is not a line of text"
        if len(text) > LONGEST:
            return f"holds a text of {len(text)} characters, and {LONGEST} is the most"
    return None
