"""A server under load: a bound on what waits, clients that leave midway, Ctrl-C."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import torch

from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_headset
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import STATIC_PROMPT, SteerSettings
from gazecli.steering.steer import steer_regions
from tests.endurance.test_soak import resident_mib
from tests.serving.conftest import STRIP, Asker

CLIENTS = 8
PROMISED_SECONDS = 2.0
SLACK_SECONDS = 2.0


def test_past_its_bound_a_server_says_when_to_come_again(serve: Callable[..., Asker]) -> None:
    busy = serve(pictures=[STRIP], waiting=1)
    tab = busy.tab()
    tab.post("aim", region=1)
    tab.post("start", max_new_tokens=100_000, overlay=False)
    tab.until(lambda: tab.tokens())
    answer = busy.chat(gaze={"region": 2})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "serve.busy")
    assert int(answer.headers["retry-after"]) >= 1
    tab.post("stop")
    tab.done()
    assert busy.chat(gaze={"region": 2}).status_code == 200


def ask(asker: Asker, number: int) -> str | None:
    """One request; every third is cut off midway, and None is what it leaves."""
    gaze = {"region": number % 6 + 1, "scope": ("full", "answer")[number % 2]}
    if number % 3:
        return str(asker.chat(gaze=gaze).json()["choices"][0]["message"]["content"])
    body = {**asker.question(), "gaze": gaze, "stream": True, "max_tokens": 64}
    with (
        httpx2.Client(base_url=asker.base, headers=asker.api.headers, timeout=60) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as lines,
    ):
        for count, _ in enumerate(lines.iter_lines()):
            if count >= number % 7:
                break
    return None


def soak(asker: Asker, requests: int) -> None:
    """Ask so often; every answer that was waited for is that of `steer`."""
    picture, vlm = Picture.open(STRIP), asker.server.engine.vlm
    heads = asker.server.live.headset.top()
    expected = {
        (region.number, scope): steer_regions(
            vlm, picture, [region], heads, SteerSettings(STATIC_PROMPT, scope=scope)
        ).answers[0].text
        for region in picture.regions
        for scope in ("full", "answer")
    }  # fmt: skip
    with ThreadPoolExecutor(CLIENTS) as pool:
        texts = list(pool.map(lambda number: ask(asker, number), range(requests)))
    for number, text in enumerate(texts):
        wanted = expected[number % 6 + 1, ("full", "answer")[number % 2]] if number % 3 else None
        assert text == wanted, number
    deadline = time.monotonic() + 10
    while asker.server.engine.waiting_now and time.monotonic() < deadline:
        time.sleep(0.01)
    assert asker.server.engine.waiting_now == 0


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


def trimmed_mib() -> float:
    """Memory without the holes that the allocator keeps between what was freed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return resident_mib()


@pytest.mark.slow
def test_a_third_of_the_clients_leave_and_the_others_get_their_answers(serve: Callable[..., Asker]) -> None:
    asker = serve()
    soak(asker, 24)
    before = tensors()
    soak(asker, 24)
    assert tensors() <= before + 5


@pytest.mark.slow
def test_three_hundred_requests_leave_memory_flat(serve: Callable[..., Asker]) -> None:
    asker = serve()
    soak(asker, 60)
    before, mib = tensors(), trimmed_mib()
    soak(asker, 300)
    assert tensors() <= before + 5
    assert trimmed_mib() - mib < 30


def test_an_interrupt_ends_the_server_and_tells_those_who_wait(tmp_path: Path, headset: HeadSet) -> None:
    cache = Cache(tmp_path / "cache")
    cache.put(headset.to_artifact())
    note_headset(cache, headset, "tiny")
    environment = {**os.environ, "GAZE_CACHE_DIR": str(cache.root), "GAZE_SERVE_KEY": "a key of one's own"}
    command = [sys.executable, "-m", "gazecli", "serve", str(STRIP), "--model", "tiny", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        told = json.loads(process.stdout.readline())
        assert told["key"] is None
        asker = Asker.at(told["page"], "a key of one's own")
        answers: list[httpx2.Response] = []
        asking = threading.Thread(target=lambda: answers.append(asker.chat(max_tokens=100_000)))
        tab = asker.tab()
        tab.post("aim", region=1)
        tab.post("start", max_new_tokens=100_000)
        asking.start()
        tab.until(lambda: tab.tokens())
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began < PROMISED_SECONDS + SLACK_SECONDS
        assert process.stderr.read() == "interrupted\n"
        asking.join(5)
    tab.reader.join(5)
    assert tab.events[-1]["error"]["code"] == "serve.stopping"
    assert [each.status_code for each in answers] == [503]
    asker.close()
