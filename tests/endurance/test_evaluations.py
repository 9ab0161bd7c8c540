"""`gaze evaluate` killed at any moment: no text is lost or wrong, and the next call ends as a clean one."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from gazecli.cache import Cache
from tests.endurance.processes import ForkServer, Process
from tests.endurance.test_kills import check_whole

EXAMPLES = Path(__file__).parents[2] / "examples" / "comics"
ASKED = ("--samples", 4, "--controls", 2, "--top", 2, "--max-new-tokens", 6)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


@pytest.fixture(scope="session")
def found(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with nothing in it but heads of `tiny`."""
    root = tmp_path_factory.mktemp("found")
    asked = ("discover", "tiny", EXAMPLES, "--samples", 2, "--json")
    fork_server.run(*asked, env={"GAZE_CACHE_DIR": str(root)}).document()
    return root


def with_heads(found: Path, root: Path) -> Path:
    """A cache of its own with the same heads."""
    cache = Cache(root)
    for entry in Cache(found).entries():
        cache.import_file(entry.path)
    return root


def evaluation(fork_server: ForkServer, found: Path, root: Path, *more: object) -> Process:
    [heads] = [entry.digest for entry in Cache(found).entries()]
    return fork_server.start(
        *("evaluate", heads, EXAMPLES, *(more or ASKED), "--batch-size", 20, "--json"),
        env={"GAZE_CACHE_DIR": str(root)},
    )


def texts_of(root: Path) -> Counter[tuple[str, str]]:
    """How often the texts of each picture under each choice of heads were written."""
    written: Counter[tuple[str, str]] = Counter()
    for path in root.glob("texts/*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # one that a kill cut short
                written[path.name, json.loads(line)["key"]] += 1
    return written


def kill_often(fork_server: ForkServer, found: Path, folder: Path, kills: int, seed: int) -> None:
    started = time.monotonic()
    clean = evaluation(fork_server, found, with_heads(found, folder / "clean")).wait().document()
    lifetime = time.monotonic() - started
    chance, root, killed = random.Random(seed), folder / "0", 0
    for number in range(kills):
        if number == 0 or Cache(root).get(clean["digest"]) is not None:
            root = with_heads(found, folder / f"{number}")
        child = evaluation(fork_server, found, root)
        time.sleep(chance.random() * lifetime)
        if not child.ended():
            child.send(signal.SIGKILL)
            killed += 1
        child.wait()
        check_whole(root)
    again = evaluation(fork_server, found, root).wait().document()
    assert again["digest"] == clean["digest"]
    assert again["evaluation"]["conditions"] == clean["evaluation"]["conditions"]
    assert set(texts_of(root)) == set(texts_of(folder / "clean"))
    assert max(texts_of(root).values()) == 1
    assert killed > 0


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_digest(
    fork_server: ForkServer, found: Path, tmp_path: Path
) -> None:
    kill_often(fork_server, found, tmp_path, kills=8, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_killed_evaluations_lose_and_spoil_nothing(
    fork_server: ForkServer, found: Path, tmp_path: Path
) -> None:
    kill_often(fork_server, found, tmp_path, kills=100, seed=2)


def test_eight_evaluations_of_the_same_thing_write_every_text_once(
    fork_server: ForkServer, found: Path, tmp_path: Path
) -> None:
    root = with_heads(found, tmp_path / "cache")
    started = [evaluation(fork_server, found, root) for _ in range(8)]
    documents = [child.wait().document() for child in started]
    assert len({document["digest"] for document in documents}) == 1
    assert sum(not document["cached"] for document in documents) == 1
    assert set(texts_of(root).values()) == {1}
    check_whole(root)


@pytest.mark.slow
def test_more_controls_more_strips_and_another_judge_cost_only_what_is_new(
    fork_server: ForkServer, found: Path, tmp_path: Path
) -> None:
    root = with_heads(found, tmp_path / "cache")

    def written(strips: int, controls: int, *more: object) -> int:
        asked = ("--samples", strips, "--controls", controls, "--top", 2, "--max-new-tokens", 6, *more)
        evaluation(fork_server, found, root, *asked).wait().document()
        assert set(texts_of(root).values()) == {1}
        return len(texts_of(root))

    # Gaze, controls, all and unsteered; and asked, blind and as many blind controls.
    assert written(2, 1) == 2 * (4 + 3)
    assert written(2, 1, "--judge", "likelihood") == 2 * (4 + 3)
    assert written(2, 3) == 2 * (6 + 5)
    assert written(4, 3) == 4 * (6 + 5)
