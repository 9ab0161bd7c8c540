"""The whole command line in this process: arguments in, exit code and both streams out."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from gazecli.cache import Cache
from gazecli.cli.app import build_app
from gazecli.cli.errors import guarded
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from tests.cli.conftest import Ran
from tests.conftest import write_comics

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

Gaze = Callable[..., Ran]


def error_of(ran: Ran, code: int = 2) -> dict[str, Any]:
    """The error of a call that failed as it should: one line, a hint, nothing on stdout, no traceback."""
    assert (ran.code, ran.out) == (code, ""), f"{ran.code}: {ran.out}{ran.err}"
    lines = [line for line in ran.err.splitlines() if not line.startswith("skipped ")]
    assert len(lines) == 1, ran.err
    error: dict[str, Any] = json.loads(lines[0])["error"]
    assert error["code"] != "gaze.unexpected", error
    assert error["message"]
    assert "\n" not in error["message"]
    assert error["hint"], error
    return error


@pytest.fixture(scope="session")
def whole_command() -> Callable[..., object]:
    """What `build_app` builds anew in every process, built once: half of the time of a short call."""
    command: Callable[..., object] = typer.main.get_command(build_app())
    return command


@pytest.fixture
def gaze(
    whole_command: Callable[..., object],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gaze]:
    """Run `gaze` with arguments in an empty folder, as a process of its own would; `stdin` gives bytes.

    Streams are caught by their descriptors, so that what a library prints past Python is seen too.
    """
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        given = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfd.readouterr()
        code = guarded(lambda: whole_command(given, prog_name="gaze", standalone_mode=False), given)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    """A head set of `tiny`, discovered once on drawn comics of six panels."""
    cache = Cache(tmp_path_factory.mktemp("measured"))
    found: HeadSet = discover("tiny", EXAMPLES / "comics", samples=2, device="cpu", cache=cache)
    return found


@pytest.fixture
def known(own_cache: Path, measured: HeadSet) -> str:
    """That head set in this test's own cache, as the one used last: its digest."""
    cache = Cache(own_cache)
    digest, _ = cache.put(measured.to_artifact())
    cache.set_latest("headset", digest)
    cache.set_latest(f"model:{measured.model['digest']}", digest)
    return digest


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    """A picture whose three equal panels are not found by themselves."""
    path = tmp_path / "strip.png"
    Image.effect_noise((168, 56), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def comics(tmp_path: Path) -> Path:
    """A folder of three comics of three panels of noise."""
    return write_comics(tmp_path / "comics", strips=3, panels=3)
