"""The manners of every command: streams, formats, exit codes, colours, pipes, start-up."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gazecli.cli.app import NAMES, needed
from gazecli.version import VERSION
from tests.cli.conftest import Gaze

ESCAPE = "\x1b"
COMMANDS = (
    "discover steer switch report comics cache models doctor schema".split()
    + ["comics make", "comics check"]
    + [f"cache {name}" for name in "ls show path verify rm prune import export".split()]
)
HEAVY = ("torch", "transformers", "numpy", "PIL", "pydantic", "huggingface_hub")


def on_a_terminal(*arguments: str, **env: str) -> str:
    """What a person sees on stdout and stderr together."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gazecli", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **env},
    )
    os.close(child)
    seen = b""
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    process.wait(timeout=60)
    os.close(parent)
    return seen.decode("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(gaze: Gaze, name: str) -> None:
    ran = gaze(*name.split(), "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert f"Usage: gaze {name}" in ran.out
    assert ESCAPE not in ran.out


def test_the_bare_command_prints_help(gaze: Gaze) -> None:
    ran = gaze()
    assert (ran.code, ran.err) == (0, "")
    assert "discover" in ran.out


def test_the_version_is_one_line(gaze: Gaze) -> None:
    ran = gaze("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"gaze {VERSION}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["steer", "--help"]])
def test_nothing_heavy_is_imported_to_explain(arguments: list[str]) -> None:
    # Typer itself checks values with pydantic.
    assert heavy_imports(arguments) <= {"pydantic"}


def test_looking_into_the_cache_needs_no_torch() -> None:
    imported = imports(["cache", "ls"])
    assert not imported & {"torch", "transformers", "numpy", "PIL"}
    others = {f"gazecli.cli.{name}" for name in NAMES if name != "cache"}
    assert not imported & others, "a call imports the commands it does not name"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["cache", "ls", "--json"], ("cache",)),
        (["-q", "steer", "cache"], ("steer",)),
        (["--help"], NAMES),
        ([], NAMES),
        (["stear"], NAMES),
        (["--format", "json", "cache", "ls"], NAMES),
    ],
)
def test_a_call_builds_the_command_it_names_or_all(arguments: list[str], names: tuple[str, ...]) -> None:
    assert needed(arguments) == names


def heavy_imports(arguments: list[str]) -> set[str]:
    return imports(arguments) & set(HEAVY)


def imports(arguments: list[str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gazecli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}


def test_help_is_there_at_once() -> None:
    def seconds(*arguments: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    help_, bare = (
        min(seconds(*call) for _ in range(3)) for call in (["-m", "gazecli", "--help"], ["-c", ""])
    )
    # Processor time, because a busy machine makes everything late.
    assert help_ - bare < 0.5


def test_a_choice_that_is_none_is_said_in_plain_words(gaze: Gaze) -> None:
    ran = gaze("steer", "strip.png", "--region", "3", "--scope", "everywhere")
    assert ran.code == 2
    assert "'everywhere' is not one of 'full', 'question', 'answer', 'decode'" in ran.err
    assert "Value error" not in ran.err


def test_an_error_is_one_line_and_a_hint(gaze: Gaze) -> None:
    ran = gaze("schema", "nonsense")
    assert ran.code == 2
    assert ran.out == ""
    error, hint = ran.err.splitlines()
    assert error == "error: there is no such document: nonsense"
    assert hint.startswith("hint: one of headset, ")


def test_an_error_is_an_object_when_json_is_asked_for(gaze: Gaze) -> None:
    for asked in (["--json"], ["--format", "json"], ["--format=json"]):
        ran = gaze("schema", "nonsense", *asked)
        assert (ran.code, ran.out) == (2, "")
        error = ran.error()
        assert error["code"] == "schema.unknown"
        assert error["subject"] == "nonsense"
        assert set(error) >= {"code", "message", "hint", "subject"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["cache"],
        ["cache", "nonsense"],
        ["discover"],
        ["discover", "tiny"],
        ["models", "--nonsense"],
        ["models", "--format", "yaml"],
        ["comics", "make", "x", "--count", "many"],
        ["switch", "x.png"],
    ],
)
def test_wrong_usage_has_the_form_of_every_error(gaze: Gaze, arguments: list[str]) -> None:
    ran = gaze(*arguments)
    assert (ran.code, ran.out) == (2, "")
    error, hint = ran.err.splitlines()
    assert error.startswith("error: ")
    assert re.fullmatch(r"hint: `gaze.* --help` lists what it takes", hint)
    assert gaze(*arguments, "--json").error()["code"] == "usage.invalid"


@pytest.mark.parametrize("pair", [["-q", "-v"], ["--json", "--format", "human"]])
def test_options_that_contradict_each_other_are_refused(gaze: Gaze, pair: list[str]) -> None:
    ran = gaze("models", *pair)
    assert ran.code == 2
    assert "contradicts" in ran.err


def test_options_may_stand_before_the_command(gaze: Gaze) -> None:
    ran = gaze("-q", "models", "-v")
    assert "--quiet contradicts --verbose" in ran.err
    assert gaze("--format", "human", "models").out.startswith("model")


def test_stdout_carries_one_line_of_json_into_a_pipe(gaze: Gaze) -> None:
    ran = gaze("models")
    document = ran.document("models")
    assert ran.out.count("\n") == 1
    assert ran.err == ""
    assert document["models"][0]["alias"] == "tiny"


def test_a_person_gets_a_table_with_colour_and_a_pipe_gets_none(gaze: Gaze) -> None:
    seen = on_a_terminal("models")
    assert "qwen3-vl-8b" in seen
    assert ESCAPE in seen
    assert ESCAPE not in gaze("models", "--format", "human").out


def test_json_on_a_terminal_is_indented_and_plain() -> None:
    seen = on_a_terminal("models", "--json")
    assert seen.startswith('{\r\n  "schema": "gaze.models/1",')
    assert ESCAPE not in seen


def test_no_color_wins_over_force_color(gaze: Gaze) -> None:
    assert ESCAPE not in on_a_terminal("models", NO_COLOR="1", FORCE_COLOR="1")
    assert ESCAPE not in on_a_terminal("schema", "nonsense", NO_COLOR="1")
    assert ESCAPE not in on_a_terminal("--help", NO_COLOR="1", FORCE_COLOR="1")
    assert ESCAPE in gaze("models", "--format", "human", env={"FORCE_COLOR": "1"}).out


def test_names_with_control_characters_are_spelled_out(gaze: Gaze) -> None:
    evil = "a\x1b[31m\u202eb\nc"
    ran = gaze("comics", "check", evil)
    assert ran.code == 2
    assert "a\\x1b[31m\\u202eb\\nc" in ran.err
    line = gaze("comics", "check", evil, "--json").err
    assert "\u202e" not in line
    assert json.loads(line)["error"]["subject"] == evil


def test_names_that_are_no_text_do_not_break_json(gaze: Gaze) -> None:
    ran = gaze("comics", "check", os.fsdecode(b"caf\xe9"), "--json")
    assert ran.error()["subject"] == "caf\\xe9"


def test_a_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m gazecli schema report --format human | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout == b'{\n  "$sche'
    assert done.stderr == b""


def test_a_full_disk_is_told() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gazecli", "models"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: cannot write the result: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_at_once_with_130(tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gazecli", "comics", "make", str(tmp_path / "many"), "--count", "9000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "many" / "strip-0001").exists():
        assert process.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    # Two seconds is the promise; a busy machine gets some slack.
    assert time.monotonic() - began < 4
    assert process.returncode == 130
    assert (out, err) == (b"", b"interrupted\n")
    assert not list((tmp_path / "many").glob(".strip-*"))


def test_tracebacks_are_for_those_who_ask(gaze: Gaze) -> None:
    assert "Traceback" not in gaze("schema", "nonsense", "-v").err
    assert "Traceback" in gaze("schema", "nonsense", "-vv").err
    assert "Traceback" in gaze("schema", "nonsense", "-vv", "--json").error()["traceback"]


def test_the_environment_wins_over_the_config_file(gaze: Gaze, tmp_path: Path) -> None:
    folder = tmp_path / "no-config" / "gaze"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('model = "from-config"\n')
    assert gaze("report", "--json").error()["subject"] == "from-config"
    assert gaze("report", "--json", env={"GAZE_MODEL": "from-env"}).error()["subject"] == "from-env"
    assert gaze("report", "flag", "--json", env={"GAZE_MODEL": "from-env"}).error()["subject"] == "flag"


@pytest.mark.parametrize("text", ["model = [", "colour = 'red'\n", "device = 3\n"])
def test_a_config_file_that_makes_no_sense_is_named(gaze: Gaze, tmp_path: Path, text: str) -> None:
    path = tmp_path / "no-config" / "gaze" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    error = gaze("report", "--json").error()
    assert error["code"] == "config.invalid"
    assert error["subject"] == str(path)
