"""Launched processes end together: with one error, the progress of all kept, and the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from tests.conftest import write_comics
from tests.distributed.launches import ROOT, Ran, finish, start

pytestmark = pytest.mark.slow

STRIPS = 400
ASKED = ("--batch-size", 1, "--device", "cpu", "--dtype", "float32", "--json")


@pytest.fixture(scope="module")
def comics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comics(tmp_path_factory.mktemp("long") / "comics", STRIPS, 6)


@pytest.fixture(scope="module")
def whole(comics: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadSet:
    vlm = gaze.load("tiny", device="cpu", dtype="float32")
    return gaze.discover(vlm, comics, batch_size=1, cache=Cache(tmp_path_factory.mktemp("one")))


def stop(started: subprocess.Popen[str], cache: Path, how: signal.Signals, whom: str) -> Ran:
    """Send a signal once two processes have put down progress: to the launcher, to one worker, or to all."""
    deadline = time.monotonic() + 90
    while len(list((cache / "progress").glob("*.safetensors"))) < 2:
        assert started.poll() is None, started.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    launcher = psutil.Process(started.pid)
    workers = launcher.children()
    chosen = {"launcher": [launcher], "one": workers[-1:], "all": [launcher, *workers]}[whom]
    for process in chosen:
        process.send_signal(how)
    return finish(started)


@pytest.mark.parametrize("processes", [2, 1, 3])
def test_a_killed_run_goes_on_with_any_number_of_processes(
    comics: Path, whole: HeadSet, tmp_path: Path, processes: int
) -> None:
    stop(start(2, tmp_path, "discover", "tiny", comics, *ASKED), tmp_path, signal.SIGKILL, "all")
    resumed = finish(start(processes, tmp_path, "discover", "tiny", comics, *ASKED)).document
    assert 0 < resumed["resumed_from"] < STRIPS
    assert resumed["digest"] == whole.digest
    assert not list((tmp_path / "progress").iterdir())
    again = finish(start(2, tmp_path, "discover", "tiny", comics, *ASKED)).document
    assert again["cached"]
    assert again["digest"] == whole.digest


def test_an_interrupt_ends_all_and_is_said_once(comics: Path, whole: HeadSet, tmp_path: Path) -> None:
    ran = stop(start(2, tmp_path, "discover", "tiny", comics, *ASKED), tmp_path, signal.SIGINT, "launcher")
    assert ran.code != 0
    assert ran.out == ""
    assert ran.lines("interrupted") == ["interrupted"]
    assert not ran.lines("error")
    resumed = finish(start(2, tmp_path, "discover", "tiny", comics, *ASKED)).document
    assert resumed["resumed_from"] > 0
    assert resumed["digest"] == whole.digest


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_one_process_that_dies_ends_the_others(comics: Path, tmp_path: Path, how: signal.Signals) -> None:
    began = time.monotonic()
    ran = stop(start(2, tmp_path, "discover", "tiny", comics, *ASKED), tmp_path, how, "one")
    assert time.monotonic() - began < 60
    assert ran.code != 0
    assert ran.out == ""
    assert len(ran.lines("interrupted")) + len(ran.lines("error: ")) == 1
    assert "Error" not in "".join(line for line in ran.lines("error: "))


def test_bad_input_is_refused_once(tmp_path: Path) -> None:
    ran = finish(start(2, tmp_path, "discover", "tiny", tmp_path / "nowhere"))
    assert ran.code != 0
    assert len(ran.lines("error: there is no such folder")) == 1
    assert "exitcode  : 2" in ran.err


def test_what_is_not_shared_is_done_once(tmp_path: Path) -> None:
    ran = finish(start(2, tmp_path, "models", "--json"))
    assert ran.document["schema"].startswith("gaze.models/")
    assert len(ran.lines("this is not shared among processes")) == 1


def test_accelerate_launch_on_a_cpu_starts_one_process(comics: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    asked = ["-m", "gazecli", "discover", "tiny", str(comics), "--samples", "3", "--json"]
    done = subprocess.run(
        [*launch, *asked],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GAZE_CACHE_DIR": str(tmp_path)},
    )
    assert Ran(done.returncode, done.stdout, done.stderr).document["comics"]["strips"] == 3
