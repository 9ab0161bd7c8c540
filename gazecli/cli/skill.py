"""`gaze --skill`: a short guide to this version, for a language model that runs `gaze` for somebody."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module, resources

from gazecli.version import VERSION


def guide(names: Sequence[str]) -> str:
    """The guide, with a line for each of the commands `names`."""
    text = resources.files("gazecli.cli").joinpath("skill.md").read_text("utf-8")
    lines = (f"- `{usage}`: {summary}\n" for usage, summary in _lines(names))
    return text.replace("VERSION", VERSION, 1) + "".join(lines)


def _lines(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        module = import_module(f"gazecli.cli.{name}")
        commands: Sequence[Callable[..., None]] = getattr(module, "COMMANDS", ()) or (module.command,)
        for command in commands:
            text, _, example = (inspect.getdoc(command) or "").partition("\n\nExample: ")
            yield example.splitlines()[0], " ".join(text.split("\n\n")[0].split())
