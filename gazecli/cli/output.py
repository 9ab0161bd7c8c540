"""The output of a command: its result on stdout and nothing else there, notes and progress on stderr.

Holds the choice of format and colour, and takes secrets and control characters out of what is printed.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol

from gazecli.cli.time_left import TimeLeft
from gazecli.distributed.launcher import current_launch
from gazecli.errors import UsageError, cannot_matter
from gazecli.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn, Task


WIDTH_OF_PIPES = 120
SECONDS_BETWEEN_LINES = 10.0

Step = Callable[[int, int | None], None]  # (done, total where it is known); the first call may say 0
Stage = Callable[[str, float, float], None]  # (name, units of work an item, units that follow the stage)
OnToken = Callable[[int, list[list[int]]], None]  # (step, the tokens of each row so far)


class Printable(Protocol):
    """What every document can do."""

    def json_text(self, *, indent: int | None = None) -> str:
        """The document as JSON text with a line end."""


@dataclass(frozen=True)
class OutputOptions:
    """The values of the output options, which may stand before or behind the command's name."""

    format: str | None = None
    json: bool = False
    quiet: bool = False
    verbosity: int = 0

    def joined(self, other: OutputOptions) -> OutputOptions:
        """Both together; `other` stands behind the name and wins."""
        return OutputOptions(
            other.format or self.format,
            self.json or other.json,
            self.quiet or other.quiet,
            self.verbosity + other.verbosity,
        )

    def output(self) -> Output:
        """The output with these options; UsageError when they contradict each other."""
        if self.json and self.format not in (None, "json"):
            raise UsageError("--json contradicts --format", subject=self.format, hint="leave one of them out")
        if self.quiet and self.verbosity:
            raise UsageError("--quiet contradicts --verbose", hint="leave one of them out")
        named = "json" if self.json else self.format
        chosen = named or ("human" if is_terminal(sys.stdout) else "json")
        return Output(chosen, self.quiet, self.verbosity, asked_for_format=named is not None)


@dataclass(frozen=True)
class Output:
    """Where one command writes, and how.

    `format` is human or json, or one of the further formats of a command that has some. `asked_for_format`:
    an option named it.
    """

    format: str
    quiet: bool
    verbosity: int
    asked_for_format: bool = False

    @cached_property
    def out(self) -> Console:
        """The console on stdout."""
        return console_on(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """The console on stderr; only the first process of a launch writes there."""
        return console_on(sys.stderr if current_launch().is_first else _devnull())

    def result(
        self, document: Printable, human: Callable[[Console], None], *, digest: str | None = None
    ) -> None:
        """Print `document` as JSON, else by `human`; with --quiet a made artifact's digest alone."""
        if self.format == "json":
            # Indented on a terminal, one line into pipes and files.
            write_page(document.json_text(indent=2 if is_terminal(sys.stdout) else None))
        elif self.quiet and digest is not None:
            self.out.print(digest, soft_wrap=True)
        else:
            human(self.out)

    def note(self, text: str) -> None:
        """Print one line about the work; not with --quiet."""
        if not self.quiet:
            self._print(text, "dim")

    def detail(self, text: str) -> None:
        """Print one line with --verbose only."""
        if self.verbosity:
            self._print(text, "dim")

    def warning(self, text: str) -> None:
        """Print one line even with --quiet."""
        self._print(f"warning: {text}", "yellow")

    def _print(self, text: str, style: str) -> None:
        self.err.print(without_secrets(text), style=style, soft_wrap=True)


def write_page(text: str) -> None:
    """Write a whole document to stdout in UTF-8, whatever encoding the terminal has."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


@contextmanager
def progress(output: Output, title: str, unit: str, left: TimeLeft | None = None) -> Iterator[Step]:
    """Yield a function to be called with (done, total); nothing is shown with --quiet.

    left: the time that is left, where it is known from earlier stages too.
    """
    left = TimeLeft() if left is None else left
    if output.quiet:
        yield lambda done, total: None
    elif is_terminal(output.err.file):
        with _bar(output, title, unit, left) as step:
            yield step
    else:
        yield _lines(output, title, unit, left)


@contextmanager
def busy(output: Output, title: str) -> Iterator[None]:
    """A spinner for work of unknown length; a line with --verbose where stderr is not a terminal."""
    if output.quiet or not is_terminal(output.err.file):
        output.detail(title)
        yield
        return
    from rich.text import Text

    # As Text, because a name may look like markup.
    with output.err.status(Text(visible(title)), spinner="dots"):
        yield


def check_stream(output: Output, stream: bool) -> None:
    """UsageError for a text that is to be printed while it is written, and as JSON."""
    if stream and output.format == "json":
        raise cannot_matter("stream", "in JSON", "add --format human, or leave --stream out")


@contextmanager
def resumable(output: Output, kept: str) -> Iterator[None]:
    """Say what an interrupt leaves, such as `every text written so far`, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        output.note(f"{kept} is kept; the same command goes on from there")
        raise


@contextmanager
def later_progress(output: Output, title: str, unit: str) -> Iterator[Step]:
    """As `progress`, drawn by the first step: something else may be shown before."""
    with staged_progress(output, title, unit) as (_, step):
        yield step


@contextmanager
def staged_progress(
    output: Output, title: str, unit: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Stage, Step]]:
    """As `later_progress`, of work in stages; the first function is called where each stage begins."""
    left = TimeLeft(clock)
    with ExitStack() as bars:
        shown: list[Step] = []
        named = title

        def stage(name: str, each: float = 1.0, later: float = 0.0) -> None:
            nonlocal named
            bars.close()
            shown.clear()
            named = f"{title}: {name}"
            left.begin(each, later)

        def step(done: int, total: int | None) -> None:
            if not shown:
                shown.append(bars.enter_context(progress(output, named, unit, left)))
            shown[0](done, total)

        yield stage, step


@contextmanager
def generating(
    output: Output, title: str, stream: bool, decode: Callable[[list[int]], str], row: int = 0
) -> Iterator[OnToken | None]:
    """With `stream`, yield an `on_token` that prints the text of `row` as it grows; else show a spinner."""
    if not stream:
        with busy(output, title):
            yield None
        return
    printed = ""

    def on_token(_step: int, written: list[list[int]]) -> None:
        nonlocal printed
        text = decode(written[row])
        # A character of several tokens is a replacement mark until it is complete.
        if text.startswith(printed) and not text.endswith("\ufffd"):
            output.out.file.write(visible(text[len(printed) :], lines=True))
            output.out.file.flush()
            printed = text

    yield on_token
    output.out.print("\n")


@contextmanager
def _bar(output: Output, title: str, unit: str, left: TimeLeft) -> Iterator[Step]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", style="dim"),
        _left_column(left),
    )
    with Progress(*columns, console=output.err, transient=True) as bar:
        task = bar.add_task(visible(title), total=None, rate="")

        def step(done: int, total: int | None) -> None:
            left.step(done, total)
            rate = left.rate()
            shown = "" if rate is None else f"{rate:.1f} {unit}/s"
            bar.update(task, completed=done, total=total, rate=shown)

        yield step


def _left_column(left: TimeLeft) -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class LeftColumn(ProgressColumn):
        max_refresh = 0.5

        def render(self, _task: Task) -> Text:
            return Text(left_text(left), style="cyan")

    return LeftColumn()


def left_text(left: TimeLeft) -> str:
    """The time that is left, as `40 s left` or `3 min left in all`; empty where it is not known."""
    seconds = left.seconds()
    if seconds is None:
        return ""
    shown = f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"
    if seconds >= 100 * 60:
        shown = f"{seconds / 3600:.1f} h"
    return f"{shown} left{' in all' if left.later else ''}"


def _lines(output: Output, title: str, unit: str, left: TimeLeft) -> Step:
    written = left.clock()

    def step(done: int, total: int | None) -> None:
        nonlocal written
        left.step(done, total)
        now = left.clock()
        if now - written < SECONDS_BETWEEN_LINES:
            return
        written = now
        of = "" if total is None else f"/{total}"
        rate = left.rate()
        more = ["" if rate is None else f"{rate:.1f} {unit}/s", left_text(left)]
        output.note(", ".join(filter(None, [f"{title}: {done}{of} {unit}", *more])))

    return step


def prepare_streams() -> None:
    """Let stdout and stderr take any text, and silence libraries; a closed stream becomes /dev/null.

    So does stdout in all but the first process of a launch: there is one result.
    """
    # Warnings of libraries are not messages of gaze, and hold text of files unescaped.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "critical")
    if not current_launch().is_first:
        sys.stdout = _devnull()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _devnull())
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _devnull() -> IO[str]:
    return Path(os.devnull).open("w", encoding="utf-8")  # stays open as long as the process


def is_terminal(stream: IO[str]) -> bool:
    """Whether `stream` is a terminal."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def has_colour(stream: IO[str]) -> bool:
    """Whether `stream` gets colour: by NO_COLOR, else FORCE_COLOR, else whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


_IN_ASCII = str.maketrans(
    {
        "\u2588": "#",
        "\u2192": "->",
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00b7": "|",
        "\u03c1": "rho",
        "\u00b1": "+/-",
        "\u00d7": "x",
        "\u03b4": "delta",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
    }
)


def shown_as(text: str, encoding: str) -> str:
    """`text`, its bars and arrows in ASCII where a stream of that encoding cannot show them."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_IN_ASCII)
    except LookupError:
        pass
    return text


def console_on(stream: IO[str], *, plain: bool = False) -> Console:
    """A Rich console on `stream` that prints no control characters of a text; `plain` has no colour."""
    from rich.console import Console

    class SafeConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            safe = (
                shown_as(visible(each, lines=True), self.encoding) if isinstance(each, str) else each
                for each in objects
            )
            super().print(*safe, **options)

        def on_broken_pipe(self) -> NoReturn:
            # Rich would exit with an error code.
            raise BrokenPipeError

    terminal = is_terminal(stream) and not plain
    colour = has_colour(stream) and not plain
    return SafeConsole(
        file=stream,
        color_system="auto" if colour else None,
        force_terminal=terminal or colour,
        no_color=False,
        width=None if terminal else WIDTH_OF_PIPES,
        highlight=False,
        markup=False,
        emoji=False,
    )


_SHORTEST_SECRET = 8
_SECRET_NAMES = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|SERVE_?KEY|JUDGE_?KEY|CREDENTIAL", re.IGNORECASE
)
# Variables that hold the path of a secret, not the secret.
_PATH_NAMES = re.compile(r"(PATH|FILE|DIR|HOME)$", re.IGNORECASE)
_TOKEN_PATTERNS = (
    (re.compile(r"\b(hf|sk)[_-][A-Za-z0-9_-]{16,}"), r"\1_<hidden>"),
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), "<hidden>"),
    (re.compile(r"(?i)(?<=bearer )\S+"), "<hidden>"),
)


def without_secrets(text: str) -> str:
    """`text` with the values of secret environment variables, and what has the form of a token, taken out."""
    for name, value in os.environ.items():
        if (
            len(value) >= _SHORTEST_SECRET
            and value in text
            and _SECRET_NAMES.search(name)
            and not _PATH_NAMES.search(name)
        ):
            text = text.replace(value, f"<{name}>")
    for pattern, replacement in _TOKEN_PATTERNS:
        text = pattern.sub(replacement, text)
    return text
