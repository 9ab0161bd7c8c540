"""The command as users start it, a process of its own with its streams apart; and in this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import jsonschema
import pytest

from gazecli.cache import Cache
from gazecli.cli.app import build_app
from gazecli.cli.errors import guarded
from gazecli.heads.discover import discover
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_headset
from gazecli.models.vlm import VLM
from gazecli.reports.documents.schemas import json_schema
from tests.evaluation.comics import captioned_comics
from tests.fixtures.command_server import call


@dataclass(frozen=True)
class Ran:
    """What one call left behind."""

    code: int
    out: str
    err: str

    def document(self, name: str) -> dict[str, Any]:
        """stdout as the one document it must be, checked against its schema."""
        assert self.code in (0, 1), self.err
        assert self.out.endswith("\n")
        return checked(self.out, name)

    def error(self) -> dict[str, Any]:
        """The error object on the last line of stderr, checked against its schema."""
        document = checked(self.err.splitlines()[-1], "error")
        error: dict[str, Any] = document["error"]
        return error


def checked(text: str, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text, parse_constant=refused)
    jsonschema.validate(document, json_schema(name))
    assert list(document)[:2] == ["schema", "gaze"]
    return document


def refused(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


Gaze = Callable[..., Ran]


@pytest.fixture
def gaze(tmp_path: Path, command_server: str) -> Gaze:
    """Run `gaze` with arguments in an empty folder; `env` adds variables, `stdin` gives bytes.

    `fresh` starts an interpreter from nothing, which takes seconds of imports.
    """
    home = tmp_path / "work"
    home.mkdir()

    def run(
        *given: object, env: dict[str, str] | None = None, stdin: bytes = b"", fresh: bool = False
    ) -> Ran:
        arguments = [*map(str, given)]
        place = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        with TemporaryFile() as into, TemporaryFile() as out, TemporaryFile() as err:
            into.write(stdin)
            into.seek(0)
            if fresh:
                command = [sys.executable, "-m", "gazecli", *arguments]
                code = subprocess.run(
                    command, stdin=into, stdout=out, stderr=err, cwd=home, env=place, timeout=100, check=False
                ).returncode
            else:
                streams = (into.fileno(), out.fileno(), err.fileno())
                code = call(command_server, arguments, streams, place, str(home))
            out.seek(0)
            err.seek(0)
            return Ran(code, out.read().decode("utf-8"), err.read().decode("utf-8"))

    return run


def without_torch(*call: object) -> str:
    """What a call prints, a process of its own, that must import neither torch nor transformers."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gazecli", *map(str, call)],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not {"torch", "transformers"} & imported
    return done.stdout


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


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory, vlm_of: Callable[[str], VLM]) -> tuple[Path, HeadSet]:
    """Comics with captions, and a random model's head set."""
    comics = captioned_comics(tmp_path_factory.mktemp("known") / "comics", 2)
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return comics, discover(vlm_of("qwen2_vl"), comics, panels=3, height=48, cache=cache)


@pytest.fixture
def comics(measured: tuple[Path, HeadSet], tmp_path: Path) -> Path:
    """A copy of the comics that a test may change."""
    return shutil.copytree(measured[0], tmp_path / "comics")


@pytest.fixture
def known(measured: tuple[Path, HeadSet], own_cache: Path, vlm_of: Callable[[str], VLM]) -> str:
    """The digest of the head set, which is in the cache as the last used."""
    cache = Cache(own_cache)
    cache.put(measured[1].to_artifact())
    note_headset(cache, measured[1], vlm_of("qwen2_vl").source)
    return measured[1].digest


@pytest.fixture(scope="session", autouse=True)
def importable() -> None:
    """The package under test is the one beside these tests, wherever the calls run."""
    root = str(Path(__file__).parent.parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
