"""Heads typed by hand, and heads blinded: any choice of heads from the command line and from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazecli
from gazecli.cache import Cache
from gazecli.errors import HeadSetError, UsageError
from gazecli.heads.headset_store import find_headset
from gazecli.heads.rankings import listed_headset
from gazecli.models.attention.bias import has_moved
from gazecli.models.head_pairs import parse_heads
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests.cli.conftest import Gaze

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"
COMICS = STRIP.parent / "comics"
pairs = st.tuples(st.integers(0, 99), st.integers(0, 99))


def test_heads_typed_by_hand_are_steered(gaze: Gaze) -> None:
    steer = ("steer", STRIP, "--region", 3, "--heads", "3.4,3.5, 3.1", "--model", "tiny", "--top", "auto")
    document = gaze(*steer).document("steer")
    assert document["heads"] == [[3, 4], [3, 5], [3, 1]]
    assert document["answers"][0]["attention_on_region"]["steered"] > 0.9
    again = gaze(*steer[:5], document["headset"][7:15]).document("steer")
    assert again["heads"] == document["heads"]
    assert again["answers"][0]["text"] == document["answers"][0]["text"]


def test_a_head_set_of_typed_heads_says_so_and_is_nobodys_newest(gaze: Gaze) -> None:
    steered = gaze("steer", STRIP, "--region", 1, "--heads", "3.4", "--model", "tiny").document("steer")
    report = gaze("report", steered["headset"]).document("report")
    assert (report["kind"], report["imported"]) == ("listed", None)
    for named in ((), ("--model", "tiny")):
        newest = gaze("steer", STRIP, "--region", 1, *named).document("steer")["headset"]
        assert newest != steered["headset"]


@pytest.mark.parametrize("command", [("switch", "--schedule", "2,1", "--every", "3"), ("track",)])
def test_the_other_commands_take_typed_heads_too(gaze: Gaze, command: tuple[str, ...]) -> None:
    name, *more = command
    ran = gaze(name, STRIP, *more, "--heads", "3.4,3.5", "--model", "tiny", "--max-new-tokens", 8)
    assert ran.document(name)["heads"] == [[3, 4], [3, 5]]


@pytest.mark.parametrize(
    ("heads", "model", "message"),
    [
        ("3.4", None, "model"),
        ("3.4,9.0", "tiny", "layer 9 head 0 does not exist in tiny"),
        ("3.4,3.4", "tiny", "twice"),
        ("3.4;3.5", "tiny", "3.4;3.5"),
    ],
)
def test_heads_that_cannot_be_steered_are_refused(
    gaze: Gaze, heads: str, model: str | None, message: str
) -> None:
    named = ["--model", model] if model else []
    ran = gaze("steer", STRIP, "--region", 1, "--heads", heads, *named, "--json")
    assert ran.code == 2
    assert message in f"{ran.error()['message']}: {ran.error()['subject']}"


@given(st.lists(pairs, min_size=1, max_size=8, unique=True))
def test_a_list_is_read_as_it_is_written(heads: list[tuple[int, int]]) -> None:
    assert parse_heads(",".join(f"{layer}.{head}" for layer, head in heads)) == heads


@given(st.text("0123456789abcdef", min_size=1, max_size=64))
def test_no_prefix_of_a_digest_is_a_list(prefix: str) -> None:
    assert parse_heads(prefix) is None
    assert parse_heads(f"sha256:{prefix}") is None


def test_python_lists_heads_too(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("tiny")
    headset = listed_headset([(3, 4), (3, 5)], "tiny", Cache())
    answer = gazecli.steer(vlm, Picture.open(STRIP), 2, headset.top())
    assert answer.attention_steered > 0.9
    assert [head for head in headset.controls() if head in headset.top()] == []
    with pytest.raises(UsageError):
        listed_headset([], "tiny", Cache())
    with pytest.raises(HeadSetError, match="does not exist"):
        listed_headset([(0, 8)], "tiny", Cache())


def test_blinded_heads_see_no_part_of_the_picture(gaze: Gaze) -> None:
    heads = ("--heads", "3.4,3.0,3.5,3.6,2.6,3.7,2.1,3.1", "--model", "tiny")
    asked = "What is happening in the 2nd panel from the left? Answer briefly."
    blind = gaze("steer", STRIP, "--mode", "blind", "--prompt", asked, *heads).document("steer")
    assert blind["baseline"]["text"] == "Pink fish throws the flower in the park."
    assert blind["answers"][0]["text"] != blind["baseline"]["text"]
    moved = blind["answers"][0]["attention_on_region"]
    assert moved["baseline"] > 0.7
    assert moved["steered"] < 1e-6
    assert blind["regions"][-1]["label"] == "picture"
    assert (blind["settings"]["mode"], blind["settings"]["strength"]) == ("blind", 10000.0)


def test_heads_can_be_blinded_to_one_region(gaze: Gaze) -> None:
    heads = ("--heads", "3.4,3.5,3.1,3.0", "--model", "tiny")
    blind = gaze("steer", STRIP, "--mode", "blind", "--region", 3, *heads).document("steer")
    assert blind["answers"][0]["region"] == 3
    assert blind["answers"][0]["attention_on_region"]["steered"] < 0.01


@pytest.mark.parametrize(
    ("before", "after", "moved"), [(0.9, 0.0, True), (0.9, 0.9, False), (0.0, 0.0, True), (0.2, 0.9, False)]
)
def test_blinded_heads_must_look_less(before: float, after: float, moved: bool) -> None:
    assert has_moved(before, after, "blind") is moved


def test_typed_heads_are_evaluated_judged_shown_and_pushed_with_their_model(
    gaze: Gaze,
) -> None:
    heads = ("3.4,3.5", "--model", "tiny")
    briefly = ("--samples", 1, "--controls", 1, "--max-new-tokens", 4)
    evaluated = gaze("evaluate", heads[0], COMICS, *heads[1:], *briefly).document("evaluation")
    assert gaze("judge", *heads).document("evaluation")["headset"] == evaluated["headset"]
    assert gaze("report", *heads).document("report")["headset"] == evaluated["headset"]
    beside = gaze("report", "tiny", "--against", *heads).document("report")["against"]
    assert beside["headset"] == evaluated["headset"]
    pushed = gaze("push", heads[0], "me/typed", *heads[1:], "--dry-run", "--unproven").document("push")
    assert pushed["digest"] == evaluated["headset"]


@pytest.mark.parametrize("command", [("evaluate", COMICS), ("judge",), ("report",), ("push", "me/typed")])
def test_typed_heads_ask_for_the_model_with_an_option_that_is_there(
    gaze: Gaze, command: tuple[object, ...]
) -> None:
    name, *more = command
    missing = gaze(name, "3.4,3.5", *more, "--json")
    assert (missing.code, missing.error()["code"]) == (2, "usage.model")
    assert "--model MODEL" in missing.error()["hint"]
    assert "--model" in gaze(name, "--help").out
    if name != "evaluate":  # which loads what it is told to
        refused = gaze(name, "tiny", *more, "--model", "tiny", "--json")
        assert (refused.code, refused.error()["message"]) == (
            2,
            "--model has no effect beside a head set, which knows its own",
        )


def test_discovery_says_when_an_older_default_stays_in_force(gaze: Gaze) -> None:
    first = gaze("discover", "tiny", COMICS, "--samples", 2)
    older = first.document("headset")["digest"]
    assert "gaze cache default" not in first.err
    gaze("cache", "default", older[7:19])
    assert "gaze cache default" not in gaze("discover", "tiny", COMICS, "--samples", 2).err
    newer = gaze("discover", "tiny", COMICS, "--samples", 3)
    digest = newer.document("headset")["digest"]
    (said,) = [line for line in newer.err.splitlines() if "gaze cache default" in line]
    assert older[7:19] in said
    command = said.rpartition("to change that: ")[2]
    assert command == f"gaze cache default {digest[7:19]}"
    assert find_headset("tiny").digest == older
    assert gaze(*command.split()[1:]).code == 0
    assert find_headset("tiny").digest == digest
    assert "gaze cache default" not in gaze("discover", "tiny", COMICS, "--samples", 3).err
