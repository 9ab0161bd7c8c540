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


def page() -> str:
    """The page: the names of each room under one heading."""
    text = """# Python API

`import gazecli as gaze` gives these names. Importing the package costs nothing: each is imported when it is
first used. [Use in Python](../python.md) shows them at work.

"""
    order = [*_TITLES]
    rooms = sorted(
        (order.index(room) if room in order else len(order), room, name)
        for name, home in gazecli._HOMES.items()
        for room in [home.split(".")[1]]
    )
    for room, found in groupby(rooms, key=lambda each: each[1]):
        text += f"## {_TITLES.get(room, room.capitalize())}\n\n"
        text += "".join(f"::: gazecli.{name}\n\n" for _, _, name in found)
    return text
