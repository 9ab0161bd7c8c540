"""How failures are told, in one place: `error:` and `hint:` lines or a JSON object, and the exit code.

Knows nothing of what the commands do.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from gazecli.cli.output import has_colour, without_secrets
from gazecli.cli.signals import INTERRUPTED, asked_to_stop, tell_interrupt
from gazecli.distributed.launcher import is_first_to_report
from gazecli.errors import GazeError
from gazecli.plain_text import visible


class ReaderLeft(Exception):
    """Nobody reads stdout any more: no failure, and nothing to be said."""


@dataclass(frozen=True)
class Telling:
    """How to tell: as JSON, and with tracebacks."""

    json: bool
    tracebacks: bool

    @classmethod
    def asked_for(cls, arguments: Sequence[str]) -> Telling:
        """Read from the raw command line, which may be one that cannot be parsed.

        Errors become JSON when JSON was asked for in words; a pipe behind stdout alone does not
        change what a person sees on stderr.
        """
        given = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
        pairs = pairwise(given)
        in_json = "--json" in given or "--format=json" in given or ("--format", "json") in pairs
        loud = sum(_loudness(argument) for argument in given)
        return cls(in_json, loud >= 2)


def _loudness(argument: str) -> int:
    if argument == "--verbose":
        return 1
    return len(argument) - 1 if argument.startswith("-v") and set(argument[1:]) == {"v"} else 0


def guarded(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run `command` and return the exit code; whatever it raises is told on stderr."""
    telling = Telling.asked_for(arguments)
    try:
        code = command()
        sys.stdout.flush()
        return tell_interrupt() if code == INTERRUPTED else code if isinstance(code, int) else 0
    except (ReaderLeft, BrokenPipeError):
        _forget_stdout()
        return 0
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        return tell_interrupt()
    except Exception as error:  # noqa: BLE001 - the last door: whatever it is, people get one line
        if asked_to_stop() or _is_abort(error):
            return tell_interrupt()
        return tell(error, telling)


def tell(error: Exception, telling: Telling) -> int:
    """Write what happened to stderr and return the exit code for it; of several processes one writes."""
    told, code = _as_gaze_error(error)
    if not is_first_to_report():
        return code
    trace = "".join(traceback.format_exception(error)) if telling.tracebacks else None
    if telling.json:
        _write(_json_line(told, trace))
        return code
    if trace:
        _write(visible(trace, lines=True))
    _write(_line("error", "1;31", str(told)))
    if told.hint:
        _write(_line("hint", "36", told.hint))
    return code


def _as_gaze_error(error: Exception) -> tuple[GazeError, int]:
    if isinstance(error, GazeError):
        return error, error.exit_code
    if callable(getattr(error, "format_message", None)):
        return _as_usage_error(error), int(getattr(error, "exit_code", 2))
    # The device's memory has an error of its own, in a library that may not have been imported.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        hint = "a smaller --batch-size or a smaller model may fit"
        return GazeError("not enough memory", hint=hint, code="gaze.memory"), 1
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        return GazeError(
            "cannot write the result",
            subject=error.strerror,
            code="output.failed",
            hint="make room there, or write to another place",
        ), 1
    kind = type(error).__name__
    hint = "this is a bug: run it again with -vv and report what it prints"
    return GazeError(f"unexpected {kind}", subject=str(error) or None, hint=hint, code="gaze.unexpected"), 1


def _as_usage_error(error: Exception) -> GazeError:
    message = " ".join(str(error.format_message()).split()).rstrip(".")  # type: ignore[attr-defined]
    message = message.replace(": Value error, ", ": ", 1)  # pydantic's word for it, which Typer passes on
    path = getattr(getattr(error, "ctx", None), "command_path", "gaze")
    return GazeError(
        message[:1].lower() + message[1:], hint=f"`{path} --help` lists what it takes", code="usage.invalid"
    )


def _is_abort(error: Exception) -> bool:
    import typer

    return isinstance(error, typer.Abort)


def _json_line(error: GazeError, trace: str | None) -> str:
    from gazecli.reports.documents.housekeeping import ErrorDocument, Failure

    failure = Failure(
        code=error.code, message=error.message, hint=error.hint, subject=error.subject, traceback=trace
    )
    return ErrorDocument(error=failure).json_text()


def _line(word: str, colour: str, text: str) -> str:
    start, end = (f"\x1b[{colour}m", "\x1b[0m") if has_colour(sys.stderr) else ("", "")
    return f"{start}{word}:{end} {visible(text)}\n"


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.write(without_secrets(text))
        sys.stderr.flush()


def _forget_stdout() -> None:
    # What is still buffered would fail again, loudly, when the interpreter ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
