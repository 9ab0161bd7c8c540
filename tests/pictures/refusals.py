"""What every refusal has to bring along."""

from __future__ import annotations

from gazecli.errors import GazeError


def check_hint(error: GazeError) -> None:
    """It is bad input, one line long, and says what to do next."""
    assert error.exit_code == 2
    assert error.hint
    assert error.code
