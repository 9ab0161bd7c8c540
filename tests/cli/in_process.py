"""The command without a process of its own: for checks that need no streams of the operating system.

Knows nothing of pytest's fixtures beyond the captured streams it is given.
"""

from __future__ import annotations

import signal

import pytest

from gazecli.cli.app import build_app
from gazecli.cli.errors import guarded
from tests.cli.conftest import Ran


def gaze_here(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    """Run `gaze` with arguments in this process."""
    given = [str(argument) for argument in arguments]
    before = signal.getsignal(signal.SIGTERM)
    capfd.readouterr()
    try:
        code = guarded(lambda: build_app()(given, prog_name="gaze", standalone_mode=False), given)
    finally:
        signal.signal(signal.SIGTERM, before)
    return Ran(code, *capfd.readouterr())
