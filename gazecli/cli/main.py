"""The first thing that runs: interrupts are heeded before anything that takes time is imported.

Knows nothing of the command line.
"""

from __future__ import annotations

import sys

from gazecli.cli.signals import asked_to_stop, heed, leave, tell_interrupt


def main() -> None:
    """Run the command line of this process and end it with its exit code."""
    leave(_run())


def _run() -> int:
    try:
        heed()
        from gazecli.cli.app import run

        return run(sys.argv[1:])
    except BaseException:
        # An interrupt inside an import can come out as nearly anything.
        if asked_to_stop():
            return tell_interrupt()
        raise
