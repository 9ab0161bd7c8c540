"""Many processes, killed processes and failing disks: one digest, nothing half-written, a clear outcome."""

from __future__ import annotations

import os
import random
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.errors import CacheError
from tests.cache.samples import everything_in, listening, run, sample, start

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, limits and signals")

_PUT = """if True:
    import sys
    from gazecli.cache import Cache
    from tests.cache.samples import sample
    cache = Cache(sys.argv[1])
    for number in range(20):
        digest, path = cache.put(sample(number))
        cache.remember({"number": number}, digest)
        assert cache.get(digest) is not None
    print(digest)
"""


def test_eight_processes_that_put_the_same_things_all_succeed(tmp_path):
    writers = [start(_PUT, tmp_path / "cache") for _ in range(8)]
    outcomes = [(*writer.communicate(timeout=60), writer.returncode) for writer in writers]
    assert {code for _, _, code in outcomes} == {0}, outcomes
    assert {output.strip() for output, _, _ in outcomes} == {sample(19).digest}
    assert {errors for _, errors, _ in outcomes} == {""}
    cache = Cache(tmp_path / "cache")
    assert len(cache.entries()) == 20
    assert cache.verify() == []
    assert len(everything_in(cache.root)) == 40


_PUT_FOREVER = """if True:
    import itertools, sys
    import numpy as np
    from gazecli.cache import Artifact, Cache
    cache = Cache(sys.argv[1])
    partial = cache.partial_results({"n": 1})
    blob = np.arange(int(sys.argv[2]), dtype=np.float64)
    print("ready", flush=True)
    for number in itertools.count(int(sys.argv[3])):
        artifact = Artifact("headset", {"number": number % 7}, {"m": blob + number % 7})
        digest, path = cache.put(artifact)
        cache.remember({"number": number % 7}, digest)
        partial.save(artifact)
        if number % 7 == 6:
            cache.remove([entry.digest for entry in cache.entries()][:3])
"""


def _wait_for_a_new_file(folder, seconds):
    seen = set(os.listdir(folder)) if folder.exists() else set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if folder.exists() and set(os.listdir(folder)) - seen:
            return


def _kill_writers(root, rounds):
    chance = random.Random(7)
    for number in range(rounds):
        writer = start(_PUT_FOREVER, root, chance.choice([10, 1_000_000]), number)
        assert writer.stdout.readline() == "ready\n", writer.stderr.read()
        if number % 2:
            time.sleep(chance.random() * 0.1)
        else:
            # Only a moment after a file's first byte is a half-written one likely to be caught.
            _wait_for_a_new_file(root / chance.choice(["artifacts", "progress"]), 1)
            time.sleep(chance.random() * 0.003)
        writer.kill()
        writer.communicate()
        cache, heard = listening(root)
        assert cache.verify() == []
        for entry in cache.entries():
            assert cache.get(entry.digest) is not None
        cache.partial_results({"n": 1}).load()
        assert heard == []


@posix
def test_a_killed_writer_leaves_nothing_wrong_behind(tmp_path):
    _kill_writers(tmp_path, 10)


@posix
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_killed_writers_leave_nothing_wrong_behind(tmp_path):
    _kill_writers(tmp_path, 200)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_of_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        cache = Cache(tmp_path / "cache")
        digest, path = cache.put(sample())
        cache.remember({"a": 1}, digest)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in everything_in(cache.root)} == {0o666 & ~mask}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o777 & ~mask


_FULL = """if True:
    import resource, sys
    from gazecli.cache import Cache
    from gazecli.errors import CacheError
    from tests.cache.samples import sample
    cache = Cache(sys.argv[1])
    cache.put(sample())
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    for attempt in (lambda: cache.put(sample(1)), lambda: cache.partial_results({"n": 1}).save(sample()),
                    lambda: cache.remember({"n": 1}, sample().digest)):
        try:
            attempt()
        except CacheError as error:
            print(error.code, error.exit_code, "GAZE_CACHE_DIR" in error.hint, "prune" in error.hint)
    print(cache.get(sample().digest).digest == sample().digest)
"""


@posix
def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path):
    assert run(_FULL, tmp_path).splitlines() == ["cache.full 1 True True", "True"]
    assert len(everything_in(tmp_path)) == 1
    assert Cache(tmp_path).verify() == []


_READ_ONLY = """if True:
    import os, sys
    from gazecli.cache import Cache, file_digest
    from gazecli.errors import CacheError
    from tests.cache.samples import sample
    cache, heard = Cache(sys.argv[1]), []
    cache.warn = heard.append
    sample().digest, cache.get(sample().digest)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    print(cache.get(sample().digest) is not None, len(cache.entries()), cache.verify())
    for attempt in (lambda: cache.put(sample(1)), cache.ensure_writable, lambda: cache.prune(0),
                    lambda: cache.remove([sample().digest])):
        try:
            attempt()
            print("no error")
        except CacheError as error:
            print(error.code, "GAZE_CACHE_DIR" in error.hint)
    cache.remember({"n": 1}, sample().digest)
    print(cache.partial_results({"n": 1}).save(sample()), len(heard))
    with cache.working_on({"n": 1}) as held:
        print(held)
    print(len(file_digest(sys.argv[2], cache.root)))
"""


@posix
def test_a_read_only_cache_can_be_read_and_says_that_it_cannot_be_written():
    # Outside pytest's own folders, which only their owner may enter: root has to become somebody else.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = Path(folder) / "cache"
        Cache(root).put(sample())
        looked_at = root / "looked at"
        looked_at.write_text("x")
        for path in (root / "artifacts", root):
            path.chmod(0o555)
        lines = run(_READ_ONLY, root, looked_at).splitlines()
        files = everything_in(root)
        for path in (root, root / "artifacts"):
            path.chmod(0o755)
    assert lines == ["True 1 []", *["cache.unusable True"] * 4, "False 2", "False", "64"]
    assert len(files) == 2


def test_a_cache_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    for attempt in (lambda: cache.put(sample()), cache.ensure_writable, cache.entries):
        with pytest.raises(CacheError) as caught:
            attempt()
        assert "GAZE_CACHE_DIR" in caught.value.hint
        assert str(tmp_path / "file") in caught.value.subject


def test_a_writable_cache_is_probed_without_a_trace(tmp_path):
    cache = Cache(tmp_path)
    cache.ensure_writable()
    assert everything_in(tmp_path) == []
