"""The entry point: signal handlers are installed before anything that takes time is imported."""

from __future__ import annotations

import sys

from gazecli.cli.signals import exit_process, install_handlers, report_interrupt, was_interrupted


def main() -> None:
    """Run the command line of this process and end it with its exit code."""
    exit_process(_run())


def _run() -> int:
    try:
        install_handlers()
        from gazecli.cli.app import run

        return run(sys.argv[1:])
    except BaseException:
        # An interrupt inside an import can come out as nearly anything.
        if was_interrupted():
            return report_interrupt()
        raise
