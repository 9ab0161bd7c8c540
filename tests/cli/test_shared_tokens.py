"""Regions with exactly the same image tokens: a warning on stderr, whatever the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import gaze_here

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"
FEW = ("--model", "tiny", "--image-tokens", 3)
SAID = "regions 1 and 2 (and likewise 3 and 4; 5 and 6) share all their image tokens"


@pytest.mark.parametrize(
    "call",
    [
        ("steer", STRIP, "--region", 1, "--max-new-tokens", 1),
        ("switch", STRIP, "--schedule", "1,3", "--every", 1),
        ("track", STRIP, "--max-new-tokens", 1),
    ],
)
@pytest.mark.usefixtures("own_cache")
def test_it_is_said_once_and_stands_in_the_document(
    capfd: pytest.CaptureFixture[str], call: tuple[object, ...]
) -> None:
    ran = gaze_here(capfd, *call, *FEW, "--quiet")
    assert ran.err.count("warning: ") == ran.err.count(SAID) == 1
    [warning] = ran.document(str(call[0]))["warnings"]
    assert warning.startswith(SAID)
    assert ran.err.strip() == f"warning: {warning}"


@pytest.mark.usefixtures("own_cache")
def test_of_many_pictures_the_first_is_named_and_all_are_counted(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = shutil.copy(STRIP, tmp_path / "other.png")
    ran = gaze_here(capfd, "steer", STRIP, other, "--region", 1, "--max-new-tokens", 1, *FEW)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [len(line["warnings"]) for line in lines] == [1, 1]
    assert ran.err.count(f"warning: {STRIP}: {SAID}") == ran.err.count(SAID) == 1
    assert "warning: 2 of 2 pictures have regions that share all their image tokens" in ran.err
