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
    except BaseException:
        # An interrupt inside an import can come out as nearly anything.
        if not was_interrupted():
            raise
        code = report_interrupt()
    exit_process(code)
