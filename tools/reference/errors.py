"""The page of all error codes, with what each says and what to do."""

from __future__ import annotations

from itertools import groupby

from tools.reference.markdown import cell, table
from tools.reference.raised import CLASSES, Raised, raised

_HEAD = """# Error codes

Every error has a stable `code` for programs, a message and, where there is something to do, a hint. With
`--json` all three stand in [one object](documents/error.md) on stderr. Exit 2 means that nothing was started,
because the input is wrong. Exit 1 means that it ran and failed.

This page is read from the source. `‹name›` stands for what is filled in. The common cases are told at more
length in [Troubleshooting](../troubleshooting.md).

"""


def page() -> str:
    """The page, a section for each code, grouped by the word before the dot."""
    text = _HEAD
    for subject, found in groupby(raised(), key=lambda each: each.code.partition(".")[0]):
        text += f"## {subject} {{ #{subject} }}\n\n"
        for code, known in groupby(found, key=lambda each: each.code):
            text += _section(code, list(known))
    return text


def anchor(code: str) -> str:
    """Where on the page a code stands."""
    return code.replace(".", "-").replace("_", "-")


def _section(code: str, known: list[Raised]) -> str:
    kinds = sorted({each.kind for each in known})
    exits = sorted({CLASSES[kind].exit_code for kind in kinds})
    paths = sorted({each.path for each in known})
    rows = dict.fromkeys((cell(each.message), cell(each.hint)) for each in known)
    return (
        f"### {code} {{ #{anchor(code)} }}\n\n"
        f"Exit {' or '.join(map(str, exits))}, {', '.join(f'`{kind}`' for kind in kinds)}; "
        f"raised in {', '.join(f'`{path}`' for path in paths)}.\n\n"
        f"{table(('what it says', 'what to do'), rows)}\n"
    )
