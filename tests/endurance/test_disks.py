"""Disks that are full, read-only, gone, or of another kind: `gaze discover` comes to a clear end on each."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from gazecli.cache import Cache
from tests.endurance.processes import ForkServer

CALL = ("--panels", 3, "--height", 56, "--gap", 2, "--batch-size", 1, "--json")


def at(root: Path) -> dict[str, str]:
    return {"GAZE_CACHE_DIR": str(root)}


def test_a_disk_that_fills_up_ends_in_one_clear_error_and_nothing_half_written(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    left = fork_server.run("discover", "tiny", comics, *CALL, env=at(tmp_path), file_bytes=5000, save_every=0)
    assert (left.code, left.out) == (1, "")
    *warnings, error = left.err.splitlines()
    assert '"code":"cache.full"' in error.replace(": ", ":")
    assert "GAZE_CACHE_DIR" in error
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: partial results are not saved: cannot write the cache")
    assert Cache(tmp_path).verify() == []
    assert list(tmp_path.rglob("*.safetensors")) == []
    assert list(tmp_path.rglob(".gaze-*")) == []


def test_what_a_full_disk_stopped_at_the_end_goes_on_from_the_end(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    clean = fork_server.run("discover", "tiny", comics, *CALL, env=at(tmp_path / "clean")).document()
    root = tmp_path / "cache"
    # Room for progress, and none for the head set: its folder cannot be written into.
    (root / "artifacts").mkdir(parents=True)
    child = fork_server.start("discover", "tiny", comics, *CALL, env=at(root), save_every=0)
    while not list(root.glob("progress/*.safetensors")):
        assert not child.ended()
        time.sleep(0.005)
    (root / "artifacts").rmdir()
    (root / "artifacts").write_text("in the way")
    left = child.wait()
    assert left.code == 1
    assert "cache" in left.err
    (root / "artifacts").unlink()
    again = fork_server.run("discover", "tiny", comics, *CALL, env=at(root)).document()
    assert again["resumed_from"] == 8
    assert again["digest"] == clean["digest"]


def test_a_read_only_cache_is_refused_before_work_and_read_all_the_same(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    root = tmp_path / "cache"
    first = fork_server.run("discover", "tiny", comics, *CALL, env=at(root)).document()
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = sorted(root.rglob("*"))
    kept = fork_server.run("discover", "tiny", comics, *CALL, env=at(root), bound_by_permissions=True)
    assert kept.document()["digest"] == first["digest"]
    assert kept.document()["cached"]
    new = fork_server.run(
        "discover", "tiny", comics, *CALL, "--force", env=at(root), bound_by_permissions=True
    )
    assert new.code == 1
    assert "cache.unusable" in new.err
    assert "GAZE_CACHE_DIR" in new.err
    assert sorted(root.rglob("*")) == before
    for folder in folders:
        folder.chmod(0o755)


def test_a_cache_that_vanishes_in_the_middle_is_made_again(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    root = tmp_path / "cache"
    clean = fork_server.run("discover", "tiny", comics, *CALL, env=at(tmp_path / "clean")).document()
    child = fork_server.start("discover", "tiny", comics, *CALL, env=at(root), save_every=0)
    while not list(root.glob("progress/*.safetensors")):
        assert not child.ended()
        time.sleep(0.005)
    shutil.rmtree(root, ignore_errors=True)
    assert child.wait().document()["digest"] == clean["digest"]
    assert Cache(root).verify() == []
    assert [entry.digest for entry in Cache(root).entries()] == [clean["digest"]]


def test_names_in_the_cache_are_the_same_with_and_without_letter_case(
    fork_server: ForkServer, comics: Path, tmp_path: Path
) -> None:
    """No two names differ in case alone, none is reserved, none is changed by Unicode normalisation."""
    root = tmp_path / "cache"
    child = fork_server.start("discover", "tiny", comics, *CALL, env=at(root), save_every=0)
    names: set[str] = set()
    while not child.ended():
        names |= {path.name for path in root.rglob("*")}
        time.sleep(0.01)
    assert child.wait().code == 0
    names |= {path.name for path in root.rglob("*")}
    assert len(names) > 8
    assert {name for name in names if name != name.lower() or not name.isascii()} == set()
    assert {name for name in names if set(name) & set('<>:"/\\|?* ') or name.endswith(".")} == set()
    assert max(map(len, names)) < 120


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX calls")
def test_a_file_system_without_locks_permissions_and_syncing_holds_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As network and user-space file systems answer."""
    import errno
    import fcntl
    from typing import NoReturn

    from tests.cache.samples import sample

    def unsupported(*_: object) -> NoReturn:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    for module, name in ((fcntl, "flock"), (os, "fsync")):
        monkeypatch.setattr(module, name, unsupported)
    cache = Cache(tmp_path)
    with cache.working_on({"n": 1}) as held:
        assert not held
        digest, _ = cache.put(sample())
        cache.remember({"n": 1}, digest)
    assert cache.recall({"n": 1}) == digest
    assert cache.verify() == []
