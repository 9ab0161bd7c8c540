"""Numbers of panels in words, as prompts say them: the third panel, a six-panel strip."""

from __future__ import annotations

_COUNTS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()


def count_word(number: int) -> str:
    """`six` for 6; digits above twenty."""
    return _COUNTS[number] if 0 <= number < len(_COUNTS) else str(number)


def ordinal_word(number: int) -> str:
    """`third` for 3; `21st` above twenty."""
    return _ORDINALS[number] if 0 <= number < len(_ORDINALS) else ordinal_digits(number)


def ordinal_digits(number: int) -> str:
    """`3rd` for 3."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
