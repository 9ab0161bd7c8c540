"""Where output goes: the result to stdout and nothing else, everything else to stderr.

Holds the choice of format and colour, and the writing of results, notes and warnings. Knows nothing of
what a result means, nor of how failures are told.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol

from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError
from gazecli.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console


WIDTH_OF_PIPES = 120


class Printable(Protocol):
    """What every document can do."""

    def json_text(self, *, indent: int | None = None) -> str:
        """The document as JSON text with a line end."""


@dataclass(frozen=True)
class OutputOptions:
    """What the options that every command takes asked for, before or behind the command's name."""

    format: str | None = None
    json: bool = False
    quiet: bool = False
    verbosity: int = 0

    def joined(self, other: OutputOptions) -> OutputOptions:
        """Both together; `other` stands closer to the command and wins."""
        return OutputOptions(
            other.format or self.format,
            self.json or other.json,
            self.quiet or other.quiet,
            self.verbosity + other.verbosity,
        )

    def output(self) -> Output:
        """The output that behaves so; UsageError when the options contradict each other."""
        if self.json and self.format not in (None, "json"):
            raise UsageError("--json contradicts --format", subject=self.format, hint="leave one of them out")
        if self.quiet and self.verbosity:
            raise UsageError("--quiet contradicts --verbose", hint="leave one of them out")
        chosen = "json" if self.json else self.format or "auto"
        if chosen == "auto":
            chosen = "human" if is_terminal(sys.stdout) else "json"
        asked = self.json or self.format not in (None, "auto")
        return Output(chosen, self.quiet, self.verbosity, asked)


@dataclass(frozen=True)
class Output:
    """Where one command writes: results to stdout, all else to stderr; its format and verbosity.

    `format` is human or json, or one of the further formats of a command that has some.
    """

    format: str
    quiet: bool
    verbosity: int
    asked_for_format: bool = False

    @cached_property
    def out(self) -> Console:
        """The console of results for people."""
        return console_on(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """The console of progress and notes; of several launched processes only the first has one."""
        return console_on(sys.stderr if current_launch().is_first else _nowhere())

    def result(
        self, document: Printable, human: Callable[[Console], None], *, digest: str | None = None
    ) -> None:
        """Print `document` as JSON, or for people by `human`; with --quiet a made artifact's digest alone."""
        if self.format == "json":
            write_json(document)
        elif self.quiet and digest is not None:
            self.out.print(digest, soft_wrap=True)
        else:
            human(self.out)

    def note(self, text: str) -> None:
        """One line about what goes on; not with --quiet."""
        if not self.quiet:
            self._say(text, "dim")

    def detail(self, text: str) -> None:
        """One line that only --verbose wants."""
        if self.verbosity:
            self._say(text, "dim")

    def warning(self, text: str) -> None:
        """One line that is shown even with --quiet."""
        self._say(f"warning: {text}", "yellow")

    def _say(self, text: str, style: str) -> None:
        self.err.print(without_secrets(text), style=style, soft_wrap=True)


def write_json(document: Printable) -> None:
    """Write `document` to stdout in UTF-8: indented on a terminal, one line into pipes and files."""
    write_page(document.json_text(indent=2 if is_terminal(sys.stdout) else None))


def write_page(text: str) -> None:
    """Write a whole document to stdout in UTF-8, whatever encoding the terminal has."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def settle() -> None:
    """Make both streams fit for any text and silence the libraries; a closed stream becomes /dev/null.

    So does stdout in all but the first of several launched processes: there is one result.
    """
    # What libraries warn of is no message of gaze, and holds text of other people's files unescaped.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "critical")
    if not current_launch().is_first:
        sys.stdout = _nowhere()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere())
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> IO[str]:
    return Path(os.devnull).open("w", encoding="utf-8")  # stays open as long as the process


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at `stream`."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def has_colour(stream: IO[str]) -> bool:
    """Whether `stream` gets colour: NO_COLOR wins over FORCE_COLOR, and that over what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def console_on(stream: IO[str], *, plain: bool = False) -> Console:
    """A console for people on `stream`, on which no text sends control characters; `plain` has no colour."""
    from rich.console import Console

    class Careful(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            safe = (visible(each, lines=True) if isinstance(each, str) else each for each in objects)
            super().print(*safe, **options)

        def on_broken_pipe(self) -> NoReturn:
            # Rich would end the process, as if something had failed.
            raise BrokenPipeError

    terminal = is_terminal(stream) and not plain
    colour = has_colour(stream) and not plain
    return Careful(
        file=stream,
        color_system="auto" if colour else None,
        force_terminal=terminal or colour,
        no_color=False,
        width=None if terminal else WIDTH_OF_PIPES,
        highlight=False,
        markup=False,
        emoji=False,
    )


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
