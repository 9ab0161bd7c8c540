"""`gaze discover` killed at any moment: nothing wrong is left, and the next call ends as a clean one."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from gazecli.cache import Cache
from tests.endurance.processes import ForkServer, Process


def discovery(fork_server: ForkServer, comics: Path, root: Path, **circumstances: object) -> Process:
    return fork_server.start(
        *("discover", "tiny", comics, "--panels", 3, "--height", 56, "--gap", 2, "--batch-size", 2, "--json"),
        env={"GAZE_CACHE_DIR": str(root)},
        **circumstances,
    )


def check_whole(root: Path) -> None:
    """Everything in the cache can be read and is what it says."""
    heard: list[str] = []
    cache = Cache(root, heard.append)
    assert cache.verify() == []
    assert all(cache.get(entry.digest) is not None for entry in cache.entries())
    assert heard == []


def kill_often(fork_server: ForkServer, comics: Path, folder: Path, kills: int, seed: int) -> list[int]:
    """Kill `kills` discoveries; from which strip on each of those that came to an end had to work."""
    started = time.monotonic()
    clean = discovery(fork_server, comics, folder / "clean").wait().document()
    lifetime = time.monotonic() - started
    chance = random.Random(seed)
    root = folder / "killed"
    resumed: list[int] = []

    def finish(child: Process) -> None:
        document = child.wait().document()
        assert document["digest"] == clean["digest"]
        assert document["heads"] == clean["heads"]
        resumed.append(document["resumed_from"])
        Cache(root).remove([document["digest"]])

    for _ in range(kills):
        child = discovery(fork_server, comics, root, save_every=0)
        time.sleep(chance.random() * lifetime)
        if child.ended():
            finish(child)
        else:
            child.send(signal.SIGKILL)
            child.wait()
        check_whole(root)
    finish(discovery(fork_server, comics, root))
    check_whole(root)
    # But for files that were on their way, which `prune` takes.
    assert list((root / "progress").glob("*.safetensors")) == []
    return resumed


def test_a_killed_discovery_leaves_nothing_wrong_and_resumes_to_the_same_digest(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    kill_often(fork_server, comics, tmp_path, kills=10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_killed_discoveries_leave_nothing_wrong(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    resumed = kill_often(fork_server, comics, tmp_path, kills=200, seed=2)
    assert sum(strip > 0 for strip in resumed) > 5


def test_a_discovery_killed_right_after_saving_goes_on_from_there(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    clean = discovery(fork_server, comics, tmp_path / "clean").wait().document()
    child = discovery(fork_server, comics, tmp_path / "killed", save_every=0)
    while not list((tmp_path / "killed").glob("progress/*.safetensors")):
        assert not child.ended()
        time.sleep(0.005)
    child.send(signal.SIGKILL)
    assert child.wait().code == -signal.SIGKILL
    again = discovery(fork_server, comics, tmp_path / "killed").wait().document()
    assert again["resumed_from"] > 0
    assert again["digest"] == clean["digest"]


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "without locks"])
def test_eight_discoveries_of_the_same_thing_all_succeed_with_one_digest(
    fork_server: ForkServer, comics: Path, tmp_path: Path, locks: bool
) -> None:
    started = [
        discovery(fork_server, comics, tmp_path / "cache", locks=locks, save_every=0) for _ in range(8)
    ]
    left = [child.wait() for child in started]
    assert {(ran.code, ran.err) for ran in left} == {(0, "")}
    documents = [ran.document() for ran in left]
    assert len({document["digest"] for document in documents}) == 1
    if locks:
        assert sum(not document["cached"] for document in documents) == 1
    check_whole(tmp_path / "cache")
    assert len(Cache(tmp_path / "cache").entries()) == 1


def test_eight_meet_a_damaged_head_set_and_all_come_to_the_same_digest(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    first = discovery(fork_server, comics, tmp_path / "cache").wait().document()
    path = Path(first["path"])
    path.write_bytes(path.read_bytes()[:-1])
    left = [child.wait() for child in [discovery(fork_server, comics, tmp_path / "cache") for _ in range(8)]]
    assert {ran.document()["digest"] for ran in left} == {first["digest"]}
    assert any("damaged" in ran.err for ran in left)
    check_whole(tmp_path / "cache")
