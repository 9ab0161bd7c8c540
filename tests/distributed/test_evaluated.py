"""Several processes under torchrun evaluate as one does: one document, and the same texts in one order."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from tests.distributed.launches import Ran, launch
from tests.evaluation.judge_server import PROXIES, serving
from tests.evaluation.natural_pictures import write_coco

BRIEFLY = ("--max-new-tokens", 6)
ON_CPU = ("--device", "cpu", "--dtype", "float32", "--json")
Result = tuple[dict[str, Any], list[dict[str, Any]], list[str]]


def evaluated(address: str, processes: int, folder: Path, headset: HeadSet, *asked: object) -> Result:
    """The document, the kept texts and the notes, less what tells when and where they were made."""
    cache, texts = folder / f"cache of {processes}", folder / f"texts of {processes}.jsonl"
    Cache(cache).put(headset.to_artifact())
    command = ("evaluate", headset.digest, *asked, "--generations", texts, *ON_CPU)
    ran = launch(address, processes, cache, *command)
    document, kept = ran.document, texts.read_bytes()
    evaluation = document["evaluation"]
    assert evaluation["generations"].pop("sha256") == hashlib.sha256(kept).hexdigest()
    assert evaluation["generations"].pop("path") == str(texts)
    assert evaluation.pop("timing")["seconds"] > 0
    document["path"] = Path(document["path"]).relative_to(cache)
    lines = [json.loads(line) for line in kept.splitlines()]
    del lines[0]["evaluation"]["timing"]
    return document, lines, notes(ran)


def cut_short(kept: Path, cache: Path, share: float) -> int:
    """Give `cache` what a kill may leave of the texts and verdicts in `kept`: how many records those are."""
    records = 0
    for path in [*kept.glob("texts/*.jsonl"), *kept.glob("verdicts/*.jsonl")]:
        lines = path.read_bytes().splitlines(keepends=True)
        whole = lines[: int(share * len(lines))]
        records += sum(line != b"\n" for line in whole)
        target = cache / path.relative_to(kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join([*whole, b"\n", lines[-1][:20]]))
    return records


def records_of(cache: Path) -> Counter[tuple[str, str]]:
    """How often every text and verdict was kept."""
    found: Counter[tuple[str, str]] = Counter()
    for path in [*cache.glob("texts/*.jsonl"), *cache.glob("verdicts/*.jsonl")]:
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):  # the one that was cut short
                found[path.name, json.loads(line)["key"]] += 1
    return found


def notes(ran: Ran) -> list[str]:
    """Notes on the pictures and on the choice; how far the work is depends on time."""
    return [*ran.lines("skipped"), *ran.lines("the choice"), *ran.lines("error"), *ran.lines("warning")]


@pytest.mark.parametrize(
    "asked",
    [
        # Of three pictures one chooses, so that a process has none to judge.
        ("--sweep", "heads", "--compare", *BRIEFLY),
        pytest.param(
            ("--task", "vqa", "--judge", "likelihood", "--samples", 3, "--top", 5, *BRIEFLY),
            marks=pytest.mark.slow,
        ),
        ("--task", "dynamic", "--every", 3, "--compare", "--top", 5),
    ],
    ids=["K chosen", "vqa by likelihood", "dynamic"],
)
def test_two_processes_evaluate_as_one(
    command_server: str, drawn: Path, alone: HeadSet, tmp_path: Path, asked: tuple[object, ...]
) -> None:
    one = evaluated(command_server, 1, tmp_path, alone, drawn, *asked)
    assert evaluated(command_server, 2, tmp_path, alone, drawn, *asked) == one


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (2, 1, 0.5),
        pytest.param(1, 3, 0.2, marks=pytest.mark.slow),
        pytest.param(3, 2, 0.8, marks=pytest.mark.slow),
        pytest.param(1, 2, 0.0, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_evaluation_goes_on_with_another_number_of_processes(
    command_server: str,
    drawn: Path,
    alone: HeadSet,
    tmp_path: Path,
    before: int,
    after: int,
    share: float,
) -> None:
    asked = (drawn, "--task", "vqa", "--judge", "likelihood", "--samples", 3, "--top", 5, *BRIEFLY)
    clean = evaluated(command_server, before, tmp_path, alone, *asked)
    kept, cache = (tmp_path / f"cache of {processes}" for processes in (before, after))
    left = cut_short(kept, cache, share)
    assert left < len(records_of(kept))
    assert evaluated(command_server, after, tmp_path, alone, *asked) == clean
    again = records_of(cache)
    assert set(again) == set(records_of(kept))
    assert max(again.values()) == 1


@pytest.mark.slow
def test_more_processes_than_natural_pictures_evaluate_as_one(
    command_server: str, alone: HeadSet, tmp_path: Path
) -> None:
    annotations, images = write_coco(tmp_path)
    asked = ("coco", "--annotations", annotations, "--images", images, "--top", 5, *BRIEFLY)
    one = evaluated(command_server, 1, tmp_path, alone, *asked)
    assert one[0]["evaluation"]["strips"] == 2
    assert evaluated(command_server, 3, tmp_path, alone, *asked) == one


@pytest.mark.slow
def test_an_endpoint_is_asked_as_often_as_by_one_process(
    command_server: str, drawn: Path, alone: HeadSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAZE_JUDGE_MODEL", "seer-1")
    asked = (drawn, "--judge", "endpoint", "--samples", 3, "--top", 5, "--max-new-tokens", 4)
    found, heard = [], []
    for processes in (1, 2):
        with serving() as server:
            monkeypatch.setenv("GAZE_JUDGE_URL", server.url)
            found.append(evaluated(command_server, processes, tmp_path, alone, *asked))
            heard.append(len(server.requests))
            assert found[-1][0]["evaluation"]["judging"].pop("endpoint") == server.url
    assert found[1] == found[0]
    assert {document["evaluation"]["strips"] for document, _, _ in found} == {2}
    requests = [document["evaluation"]["judging"]["requests"] for document, _, _ in found]
    assert requests == heard
    assert heard[0] > 0


@pytest.mark.parametrize("what", ["p1.png", "captions.txt"])
def test_processes_that_see_different_files_of_one_name_are_refused(
    command_server: str, drawn: Path, alone: HeadSet, tmp_path: Path, what: str
) -> None:
    cache = tmp_path / "cache"
    Cache(cache).put(alone.to_artifact())
    for process in ("0", "1"):
        shutil.copytree(drawn, tmp_path / process / "comics")
    one, other = sorted((tmp_path / "1" / "comics").iterdir())[-2:]
    shutil.copy(one / what, other / what)
    asked = ("evaluate", alone.digest, "comics", "--device", "cpu")
    ran = launch(command_server, 2, cache, *asked, apart=True)
    assert ran.code != 0
    assert ran.lines("error: ") == ["error: the processes see different head sets, pictures or settings"]


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["lexical", "likelihood"])
@pytest.mark.parametrize(
    "more",
    [(), ("--sweep", "heads"), ("--samples", 1)],
    ids=["plain", "K chosen", "one picture"],
)
@pytest.mark.parametrize(
    "task",
    [
        ("--task", "static", "--compare", *BRIEFLY),
        ("--task", "vqa", "--compare", *BRIEFLY),
        ("--task", "dynamic", "--every", 3, "--compare"),
        ("--task", "dynamic", "--every", "sentence"),
    ],
    ids=["static", "vqa", "dynamic by tokens", "dynamic by sentences"],
)
def test_three_processes_share_every_task_with_every_judge(
    command_server: str,
    drawn: Path,
    alone: HeadSet,
    tmp_path: Path,
    task: tuple[object, ...],
    more: tuple[object, ...],
    judge: str,
) -> None:
    asked = (drawn, *task, *more, "--judge", judge)
    one = evaluated(command_server, 1, tmp_path, alone, *asked)
    assert evaluated(command_server, 3, tmp_path, alone, *asked) == one
