"""The page of the Python API: every public name of `gazecli`, for mkdocstrings to fill."""

from __future__ import annotations

from itertools import groupby

import gazecli

# The rooms whose names are shown, in this order; others follow by their own names.
_TITLES = {
    "models": "Models",
    "pictures": "Pictures",
    "heads": "Heads",
    "steering": "Steering",
    "api": "Evaluating and reporting",
    "sharing": "Sharing",
    "serving": "Serving",
    "errors": "Errors",
}


def _home(name: str) -> str:
    """The module where a public name is defined; of a module itself, its own name."""
    return gazecli._HOMES.get(name) or str(getattr(gazecli, name).__name__)


def page() -> str:
    """The page: the names of each room under one heading, what is called before what comes out."""
    text = """# Python API

`import gazecli as gaze` gives these names. Importing the package costs nothing: each is imported when it is
first used. [Use in Python](../python.md) shows them at work.

"""
    order = [*_TITLES]
    rooms = sorted(
        (order.index(room) if room in order else len(order), room, name[0].isupper(), name)
        for name in gazecli.__all__
        if not name.startswith("__")
        for room in [_home(name).split(".")[1]]
    )
    for room, found in groupby(rooms, key=lambda each: each[1]):
        text += f"## {_TITLES.get(room, room.capitalize())}\n\n"
        text += "".join(f"::: gazecli.{name}\n\n" for *_, name in found)
    return text
