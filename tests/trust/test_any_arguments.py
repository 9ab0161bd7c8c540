"""Any arguments at all: the command ends with 0, 1 or 2 and a clear word, whatever it is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trust.commands import commands
from tests.trust.conftest import EXAMPLES, Gaze

COMMANDS = commands()
# Nothing that takes long or loads a model: what is refused is refused before that.
NUMBERS = ["0", "1", "3", "-1", "nan", "1e9", "2x3", "hard", "50%", "7" * 30]
WORDS = ["auto", "", "-", "--", "sentence", "left", "1,2", "0,0,9,9", "no/such", "a\x1b[2J\u202e", "é" * 300]
FILES = ["there.png", "none.png", "comics", "boxes.json", "out.png", "out.csv", ".", "@there.png"]
values = st.sampled_from(NUMBERS + WORDS + FILES) | st.text(
    st.characters(exclude_characters="\0"), max_size=6
)


@st.composite
def vectors(draw: st.DrawFn) -> list[str]:
    """A command with some of its own options, in any order, and loose words between them."""
    command = draw(st.sampled_from(sorted(COMMANDS)))
    words = list(draw(st.lists(values, max_size=3)))
    for option in draw(st.lists(st.sampled_from(COMMANDS[command]), max_size=5)):
        chosen = st.sampled_from(option.choices) | values if option.choices else values
        words += [option.name, draw(chosen)] if option.takes_value else [option.name]
    if command == "comics make":
        words += ["--count", "1"]
    if command == "serve":  # a server does not end: without its model it cannot begin
        words += ["--model", "no/such-model"]
    return [*command.split(), *words]


@pytest.fixture
def work(tmp_path: Path, strip: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    shutil.copy(strip, folder / "there.png")
    shutil.copytree(EXAMPLES / "comics", folder / "comics")
    (folder / "boxes.json").write_text("[[0, 0, 9, 9]]")
    return folder


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(arguments=vectors())
def test_any_arguments_end_well(gaze: Gaze, work: Path, known: str, arguments: list[str]) -> None:
    del work, known
    if "tiny" in arguments or ("--help" in arguments):
        return
    ran = gaze(*arguments, "--json")
    assert ran.code in (0, 1, 2), (arguments, ran.err)
    assert "Traceback" not in ran.err, (arguments, ran.err)
    assert "gaze.unexpected" not in ran.err, (arguments, ran.err)
    if ran.code == 2 and "--" not in arguments:
        error = json.loads(ran.err.splitlines()[-1])["error"]
        assert error["message"]
        assert error["hint"], (arguments, error)
        assert ran.out == ""
