"""Every option of every command, as the real command line lists them, with values nobody should give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_headset
from tests.trust.commands import Around, Option, commands
from tests.trust.conftest import EXAMPLES, Gaze

NEVER = ("nan", "-inf", "-1", "", "1" + "0" * 400, "1.5.2")
EDGES = ("0", "18446744073709551616")
# Options of text that are numbers underneath; the others are known by their type.
NUMBERS_IN_TEXT = {"--top", "--strength", "--batch-size", "--every", "--at", "--older-than"}

OPTIONS = [
    pytest.param(command, option, id=f"{command} {option.name}".replace(" ", "_"))
    for command, options in commands().items()
    for option in options
    if option.takes_value
]


@pytest.fixture
def around(own_cache: Path, measured: HeadSet, comics: Path, strip: Path, tmp_path: Path) -> Around:
    """A head set of a model that is gone: no call gets so far as to load anything."""
    cache = Cache(own_cache)
    gone = tmp_path / "gone"
    gone.mkdir()
    digest, _ = cache.put(measured.to_artifact())
    note_headset(cache, measured, str(gone))
    shutil.rmtree(gone)
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "work").mkdir(exist_ok=True)
    return Around(strip, comics, EXAMPLES / "comics", digest, "no/such-model", place)


@pytest.mark.parametrize("command", sorted(commands()))
def test_the_calls_that_are_varied_are_right_in_themselves(gaze: Gaze, around: Around, command: str) -> None:
    ran = gaze(*around.call(command), "--json")
    if ran.code == 2:
        error = json.loads(ran.err.splitlines()[-1])["error"]
        expected = {"model.absent", "model.unknown", "headset.unreadable", "evaluation.none", "comics.fetch"}
        assert error["code"] in expected, error
    elif ran.code == 1:
        error = json.loads(ran.err.splitlines()[-1])["error"]
        assert error["code"] == "hub.offline", error
    else:
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_no_value_brings_a_traceback_or_begins_to_work(
    gaze: Gaze, around: Around, command: str, option: Option
) -> None:
    numeric = option.is_number or option.name in NUMBERS_IN_TEXT
    before = sorted(path for path in around.place.rglob("*"))
    for value in (*NEVER, *EDGES) if numeric else ("", "-1", "\x1b[31m\u202e", "a" * 5000):
        ran = gaze(*around.call(command), option.name, value, "--json")
        where = f"{command} {option.name} {value[:20]!r}: {ran.err[-600:]}"
        assert ran.code in (0, 1, 2), where
        assert "Traceback" not in ran.err, where
        if ran.code == 0:
            assert not (numeric and value in NEVER), where
            continue
        error = json.loads(ran.err.splitlines()[-1])["error"]
        assert error["code"] != "gaze.unexpected", where
        assert error["hint"], where
        if numeric and value in NEVER:
            assert ran.code == 2, where
            assert option.name in error["message"] or value in (error["subject"], ""), where
            assert error["code"] != "model.absent", where
            assert sorted(around.place.rglob("*")) == before, where


def test_the_walk_meets_every_command_and_many_options() -> None:
    expected = {"discover", "steer", "switch", "evaluate", "judge", "report", "doctor", "cache import"}
    assert expected <= set(commands())
    assert len(OPTIONS) > 60
    assert EXAMPLES.is_dir()
