"""The entry point: signal handlers are installed before anything that takes time is imported."""

from __future__ import annotations

import sys

from gazecli.cli.signals import exit_process, install_handlers, report_interrupt, was_interrupted


def main() -> None:
    """Run the command line of this process and end it with its exit code."""
    try:
        install_handlers()
        from gazecli.cli.app import run

        code = run(sys.argv[1:])
    except BaseException as error:
        # An interrupt inside an import can come out as nearly anything.
        if was_interrupted():
            code = report_interrupt()
        elif isinstance(error, Exception):
            code = _report_broken_start(error)
        else:
            raise
    exit_process(code)


def _report_broken_start(error: Exception) -> int:
    """Write why the command line itself cannot be built: a library that is missing, too old or too new."""
    from gazecli.errors import as_gaze_error

    known = as_gaze_error(error)
    if "-vv" in sys.argv:
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stderr.write(f"error: {known}\nhint: {known.hint}\n")
    return known.exit_code
