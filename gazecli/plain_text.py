"""Foreign text made harmless: model output, file names and captions before a person reads them; prompts."""

from __future__ import annotations

import re

from gazecli.errors import UsageError

_IN_LINES = "\n\t"
# C0 and C1 controls and DEL; marks that reorder text; separators and tags that look like nothing; lone
# surrogates. Joiners stay: Persian and Hindi are written with them, and so are many emoji.
_UNSAFE = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# Surrogates that stand for no byte of a file name: nothing can be made of them.
_NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""`text` with every control and reordering character spelled out, e.g. `\x1b` for escape.

    With `lines`, line ends and tabs stay as they are; otherwise the result is one line.
    """
    allowed = _IN_LINES if lines else ""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in allowed else spelled(match[0]), text)


def spelled(character: str) -> str:
    r"""A character as Python would spell it: `\n`, `\x1b`, `\u202e`."""
    return character.encode("unicode_escape").decode("ascii")


def json_escaped(text: str) -> str:
    r"""JSON text with unsafe characters inside its strings as `\uXXXX`; line ends stay."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in _IN_LINES else _as_units(match[0]), text)


def _as_units(character: str) -> str:
    """The UTF-16 units of a character, as JSON spells them."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))


def whole(text: str) -> str:
    """`text` without lone surrogates, as file names of broken encoding bring them: UTF-8 can carry it."""
    text = _NO_BYTES.sub(lambda match: spelled(match[0]), text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def error_words(failure: BaseException) -> str:
    """What a foreign error says, on one line: its first line, or all where that says nothing by itself.

    Cut short; the error's class where it is silent.
    """
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    if not lines:
        return type(failure).__name__
    alone = len(lines) == 1 or not lines[0].endswith((":", ",", "(", "["))
    return shortened(lines[0], 160) if alone else shortened(" ".join(" ".join(lines).split()), 400)


def shortened(text: str, most: int = 60) -> str:
    """`text`, cut off behind a word where it has more than `most` characters."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def check_prompt(prompt: str) -> None:
    """UsageError for a prompt without words, or one that UTF-8 cannot carry."""
    if not isinstance(prompt, str):
        hint = "give it as a text, or leave it out for the default question"
        raise UsageError("the prompt is not text", subject=repr(prompt)[:80], hint=hint)
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="leave --prompt out for the default question")
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        hint = "write it in the terminal's own encoding"
        raise UsageError("the prompt is not UTF-8 text", subject=prompt, hint=hint) from None
