"""One process works, the others wait or go on without: never a deadlock, never an error."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from gazecli.cache import Cache
from gazecli.canonical import document_key
from tests.cache.samples import everything_in, start

_HOLD = """if True:
    import sys
    from gazecli.cache import Cache
    with Cache(sys.argv[1]).working_on({"n": 1}) as held:
        print(held, flush=True)
        sys.stdin.readline()
"""


def test_a_free_request_is_held_at_once_and_leaves_no_file(tmp_path):
    cache = Cache(tmp_path)
    for _ in range(2):
        with cache.working_on({"n": 1}) as held, cache.working_on({"n": 2}) as other:
            assert held
            assert other
    assert everything_in(tmp_path) == []


def test_one_that_waits_too_long_goes_on_without(tmp_path):
    cache = Cache(tmp_path)
    waits = []
    with cache.working_on({"n": 1}):
        started = time.monotonic()
        with cache.working_on({"n": 1}, timeout=0.3, on_wait=lambda: waits.append("waiting")) as held:
            assert not held
        assert 0.3 <= time.monotonic() - started < 5
        with cache.working_on({"n": 1}, timeout=0) as held:
            assert not held
    assert waits == ["waiting"]


def test_one_that_waits_goes_on_when_the_other_is_done(tmp_path):
    order: list[str] = []
    cache = Cache(tmp_path)

    def second() -> None:
        with cache.working_on({"n": 1}, on_wait=waiting.set) as held:
            order.append(f"second {held}")

    waiting = threading.Event()
    with cache.working_on({"n": 1}):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second True"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_the_lock_of_a_killed_process_is_free(tmp_path):
    import subprocess

    holder = start(_HOLD, tmp_path, stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "True\n"
    with Cache(tmp_path).working_on({"n": 1}, timeout=0) as held:
        assert not held
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with Cache(tmp_path).working_on({"n": 1}, timeout=0) as held:
        assert held


def test_many_threads_never_hold_it_together(tmp_path):
    cache = Cache(tmp_path)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with cache.working_on({"n": 1}) as held:
            assert held
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 6


def test_where_there_can_be_no_lock_work_goes_on(tmp_path):
    (tmp_path / "locks").write_text("a file where the folder should be")
    with Cache(tmp_path).working_on({"n": 1}) as held:
        assert not held


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    root, outside = tmp_path / "cache", tmp_path / "outside"
    outside.write_text("mine")
    (root / "locks").mkdir(parents=True)
    (root / "locks" / f"{document_key({'n': 1})}.lock").symlink_to(outside)
    with Cache(root).working_on({"n": 1}, timeout=0) as held:
        assert not held
    assert outside.read_text() == "mine"
    (tmp_path / "elsewhere").symlink_to(root)
    with Cache(tmp_path / "elsewhere").working_on({"n": 2}, timeout=0) as held:
        assert held


def test_an_error_inside_frees_it(tmp_path):
    cache = Cache(tmp_path)
    with pytest.raises(ValueError, match="inside"), cache.working_on({"n": 1}):
        raise ValueError("inside")
    with cache.working_on({"n": 1}, timeout=0) as held:
        assert held
