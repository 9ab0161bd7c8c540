"""The page of the Python API: every public name of `gazecli`, for mkdocstrings to fill."""

from __future__ import annotations

from itertools import groupby

import gazecli


def page() -> str:
    """The page: the names of each room under one heading."""
    text = """# Python API

`import gazecli as gaze` gives these names. Importing the package costs nothing: each is imported when it is
first used. [Steer a generate call](../steering-a-generate-call.md) shows them at work.

"""
    rooms = sorted((home.split(".")[1], name) for name, home in gazecli._HOMES.items())
    for room, names in groupby(rooms, key=lambda each: each[0]):
        text += f"## {room.capitalize()}\n\n" + "".join(f"::: gazecli.{name}\n\n" for _, name in names)
    text += "## Comics\n\n::: gazecli.comics\n\n"
    return text
