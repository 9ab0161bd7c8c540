"""The endpoint judge against a real server on this machine: asked once, patient, and silent about its key."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from gazecli.cache import Cache
from gazecli.errors import JudgeError, UsageError
from gazecli.evaluation.examples import Example
from gazecli.evaluation.judges.endpoint import Address, EndpointJudge
from tests.evaluation.comics import captioned_examples
from tests.evaluation.judge_server import KEY, PROXIES, Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return captioned_examples(tmp_path / "comics", 1).usable[0]


@pytest.fixture
def judge_of(tmp_path: Path) -> Callable[[Server], EndpointJudge]:
    def judge(server: Server) -> EndpointJudge:
        found = EndpointJudge(Address(server.url, "seer-1", KEY), Cache(tmp_path / "cache"))
        found.chat._sleep = pauses.append
        return found

    pauses: list[float] = []
    judge.pauses = pauses  # type: ignore[attr-defined]
    return judge


def test_it_is_shown_every_region_and_the_text(
    server: Server, example: Example, judge_of: Callable[[Server], EndpointJudge]
) -> None:
    [verdict] = judge_of(server).verdicts(example, ["A dog runs {fast}."])
    assert verdict.region == 2
    [request] = server.requests
    assert (request["path"], request["model"]) == ("/v1/chat/completions", "seer-1")
    content = request["messages"][0]["content"]
    pictures = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    sizes = [Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).size for url in pictures]
    assert sizes == [region_size(example, number) for number in (1, 2, 3)]
    assert content[-1]["text"].endswith("Text: A dog runs {fast}.")
    assert server.keys == [f"Bearer {KEY}"]


def region_size(example: Example, number: int) -> tuple[int, int]:
    left, top, right, bottom = example.load().region(number).box
    return int(right - left), int(bottom - top)


@pytest.mark.parametrize(
    ("reply", "region"),
    [("3", 3), ("Part 1.", 1), ("0", None), ("None of them", None), ("7", None), ("9" * 5000, None)],
)
def test_a_reply_is_the_number_of_a_region_or_an_abstention(
    server: Server,
    example: Example,
    judge_of: Callable[[Server], EndpointJudge],
    reply: str,
    region: int | None,
) -> None:
    server.answers = [(200, {}, reply)]
    assert judge_of(server).verdicts(example, ["Something."])[0].region == region


def test_a_second_run_asks_nothing(
    server: Server, example: Example, judge_of: Callable[[Server], EndpointJudge]
) -> None:
    texts = ["A dog.", "A cat.", "A dog."]
    first, again = judge_of(server), judge_of(server)
    verdicts = first.verdicts(example, texts)
    assert (first.requests, first.kept) == (2, 0)
    assert again.verdicts(example, texts) == verdicts
    assert (again.requests, again.kept) == (0, 2)
    assert len(server.requests) == 2


def test_another_model_or_text_is_asked_anew(server: Server, example: Example, tmp_path: Path) -> None:
    for model, text in (("a", "A dog."), ("b", "A dog."), ("a", "A bird.")):
        EndpointJudge(Address(server.url, model, KEY), Cache(tmp_path / "cache")).verdicts(example, [text])
    assert len(server.requests) == 3


def test_a_busy_endpoint_is_tried_again_ever_more_slowly(
    server: Server, example: Example, judge_of: Callable[[Server], EndpointJudge]
) -> None:
    server.answers = [(500, {}, ""), (429, {"retry-after": "7"}, ""), (503, {}, ""), (200, {}, "1")]
    assert judge_of(server).verdicts(example, ["A cat."])[0].region == 1
    assert judge_of.pauses == [0.5, 7.0, 2.0]  # type: ignore[attr-defined]


def test_patience_ends(server: Server, example: Example, judge_of: Callable[[Server], EndpointJudge]) -> None:
    server.answers = [(500, {}, "")]
    with pytest.raises(JudgeError, match="failed 4 times"):
        judge_of(server).verdicts(example, ["A cat."])
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("status", "headers", "reply", "message"),
    [
        (401, {}, "", "status 401"),
        (404, {}, "", "status 404"),
        (302, {"location": "http://127.0.0.1:9/elsewhere"}, "", "status 302"),
        (200, {"raw": "1"}, "not JSON", "no chat completion"),
        (200, {"raw": "1"}, '{"choices": []}', "no chat completion"),
    ],
)
def test_a_refusal_is_told_at_once_and_keeps_the_key(
    server: Server,
    example: Example,
    judge_of: Callable[[Server], EndpointJudge],
    status: int,
    headers: dict[str, str],
    reply: str,
    message: str,
) -> None:
    server.answers = [(status, headers, reply)]
    with pytest.raises(JudgeError, match=message) as refused:
        judge_of(server).verdicts(example, ["A cat."])
    assert len(server.requests) == 1
    assert KEY not in f"{refused.value!r} {refused.value.subject} {refused.value.hint}"


def test_nobody_there_is_told_by_the_address_without_its_secrets(
    example: Example, tmp_path: Path, server: Server
) -> None:
    del server  # it is another one that nobody reaches
    address = Address(f"http://me:{KEY}@127.0.0.1:1/v1?key={KEY}", "seer-1", KEY)
    judge = EndpointJudge(address, Cache(tmp_path / "cache"))
    judge.chat._sleep = lambda seconds: None
    with pytest.raises(JudgeError, match="ConnectError") as failed:
        judge.verdicts(example, ["A cat."])
    assert failed.value.subject == "http://127.0.0.1:1/v1"
    assert KEY not in f"{failed.value!r} {failed.value.hint} {address!r}"


def test_the_key_is_in_no_file(
    server: Server, example: Example, judge_of: Callable[[Server], EndpointJudge], tmp_path: Path
) -> None:
    judge_of(server).verdicts(example, ["A cat."])
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert all(KEY.encode() not in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "GAZE_JUDGE_URL"),
        ({"GAZE_JUDGE_URL": "https://host/v1"}, "GAZE_JUDGE_MODEL"),
        ({"GAZE_JUDGE_URL": "host/v1", "GAZE_JUDGE_MODEL": "m"}, "http address"),
        ({"GAZE_JUDGE_URL": "http://[", "GAZE_JUDGE_MODEL": "m"}, "http address"),
        ({"GAZE_JUDGE_URL": "http://host:x/v1", "GAZE_JUDGE_MODEL": "m"}, "http address"),
        ({"GAZE_JUDGE_URL": "file:///etc/passwd", "GAZE_JUDGE_MODEL": "m"}, "http address"),
        (
            {"GAZE_JUDGE_URL": "http://far.example/v1", "GAZE_JUDGE_MODEL": "m", "GAZE_JUDGE_KEY": KEY},
            "without encryption",
        ),
        (
            {"GAZE_JUDGE_URL": "https://host/v1", "GAZE_JUDGE_MODEL": "m", "GAZE_JUDGE_KEY": f"{KEY}\n"},
            "characters",
        ),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        Address.of_environment(variables)
    assert KEY not in f"{refused.value!r} {refused.value.hint}"


def test_a_server_nearby_needs_neither_key_nor_encryption() -> None:
    near = {"GAZE_JUDGE_URL": "http://localhost:8000/v1/", "GAZE_JUDGE_MODEL": "m"}
    assert Address.of_environment(near) == Address("http://localhost:8000/v1", "m", None)
