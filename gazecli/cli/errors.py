"""How errors are reported: `error:` and `hint:` lines or a JSON object on stderr, and the exit code."""

from __future__ import annotations

import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import typer

from gazecli.cli.output import has_colour, without_secrets
from gazecli.cli.signals import INTERRUPTED, report_interrupt, was_interrupted
from gazecli.distributed.launcher import is_reporter
from gazecli.errors import GazeError, as_gaze_error
from gazecli.plain_text import visible


class StdoutClosed(Exception):
    """Nobody reads stdout any more, as in `| head`: no error, and nothing to report."""


def guarded(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run `command` and return the exit code; whatever it raises is reported on stderr."""
    try:
        code = command()
        sys.stdout.flush()
        return report_interrupt() if code == INTERRUPTED else code if isinstance(code, int) else 0
    except (StdoutClosed, BrokenPipeError):
        # What is still buffered would fail again, with a message, when the interpreter ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return report_interrupt()
    except Exception as error:  # noqa: BLE001 - whatever it is, users get one line
        if was_interrupted() or isinstance(error, typer.Abort):
            return report_interrupt()
        return _report_error(error, arguments)


def _report_error(error: Exception, arguments: Sequence[str]) -> int:
    """Write `error` to stderr, from one process of a launch, and return its exit code."""
    known, code = _as_gaze_error(error)
    if not is_reporter():
        return code
    # Read from the raw command line, which may be one that cannot be parsed.
    given = list(itertools.takewhile(lambda word: word != "--", arguments))
    # Each --verbose has one v, as many as -v.
    verbosity = sum(word.count("v") for word in given if re.fullmatch("--verbose|-v+", word))
    trace = "".join(traceback.format_exception(error)) if verbosity >= 2 else None
    # Only an option makes it JSON: a pipe behind stdout does not change stderr.
    if "--json" in given or "--format=json" in given or ("--format", "json") in itertools.pairwise(given):
        from gazecli.reports.documents.housekeeping import ErrorDocument, Failure

        failure = Failure(
            code=known.code, message=known.message, hint=known.hint, subject=known.subject, traceback=trace
        )
        _write(ErrorDocument(error=failure).json_text())
        return code
    if trace:
        _write(visible(trace, lines=True))
    _write(_line("error", "1;31", str(known)))
    if known.hint:
        _write(_line("hint", "36", known.hint))
    return code


def _as_gaze_error(error: Exception) -> tuple[GazeError, int]:
    if callable(getattr(error, "format_message", None)):
        return _as_usage_error(error), int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        return GazeError(
            "cannot write the result",
            subject=error.strerror,
            code="output.failed",
            hint="make room there, or write to another place",
        ), 1
    known = as_gaze_error(error)
    return known, known.exit_code


def _as_usage_error(error: Exception) -> GazeError:
    message = " ".join(str(error.format_message()).split()).rstrip(".")  # type: ignore[attr-defined]
    message = message.replace(": Value error, ", ": ", 1)  # of pydantic, which Typer passes on
    path = getattr(getattr(error, "ctx", None), "command_path", "gaze")
    return GazeError(
        message[:1].lower() + message[1:], hint=f"`{path} --help` lists what it takes", code="usage.invalid"
    )


def _line(word: str, colour: str, text: str) -> str:
    start, end = (f"\x1b[{colour}m", "\x1b[0m") if has_colour(sys.stderr) else ("", "")
    return f"{start}{word}:{end} {visible(text)}\n"


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.write(without_secrets(text))
        sys.stderr.flush()
