"""What is shown while a command works: a bar or lines on stderr, or a text on stdout while it is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gazecli.cli.options import cannot_matter
from gazecli.cli.output import Output, is_terminal
from gazecli.plain_text import visible

SECONDS_BETWEEN_LINES = 10.0

Step = Callable[[int, int], None]  # (done, total)
OnToken = Callable[[int, list[list[int]]], None]  # (step, the tokens of each row so far)


@contextmanager
def progress(output: Output, title: str, unit: str) -> Iterator[Step]:
    """Yield a function to be called with (done, total); nothing is shown with --quiet."""
    if output.quiet:
        yield lambda done, total: None
    elif is_terminal(output.err.file):
        with _bar(output, title, unit) as step:
            yield step
    else:
        yield _lines(output, title, unit)


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
def _bar(output: Output, title: str, unit: str) -> Iterator[Step]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeRemainingColumn(compact=True),
    )
    started = time.monotonic()
    with Progress(*columns, console=output.err, transient=True) as bar:
        task = bar.add_task(visible(title), total=None, rate="")

        def step(done: int, total: int) -> None:
            rate = f"{_rate(done, started):.1f} {unit}/s"
            bar.update(task, completed=done, total=total, rate=rate)

        yield step


def _lines(output: Output, title: str, unit: str) -> Step:
    started = written = time.monotonic()

    def step(done: int, total: int) -> None:
        nonlocal written
        now = time.monotonic()
        if now - written < SECONDS_BETWEEN_LINES:
            return
        written = now
        rate = _rate(done, started)
        left = f", {(total - done) / rate:.0f} s left" if rate else ""
        output.note(f"{title}: {done}/{total} {unit}, {rate:.1f} {unit}/s{left}")

    return step


def _rate(done: int, started: float) -> float:
    return done / max(time.monotonic() - started, 1e-6)
