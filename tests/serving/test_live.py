"""The page's protocol: a text follows the aim, is what the command writes, and ends when its tab does."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gazecli
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import note_headset
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.schedule import parse_targets, plan
from gazecli.steering.settings import DYNAMIC_PROMPT, SteerSettings
from gazecli.steering.switch import narrate
from gazecli.steering.track import track
from tests.cli.conftest import gaze_here
from tests.conftest import noise_picture
from tests.serving.conftest import STRIP, Asker, data_address


def test_a_text_follows_the_aim_and_is_what_switch_writes(
    asker: Asker, vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    tab = asker.tab()
    tab.post("aim", region=2)
    tab.post("start", max_new_tokens=60)
    tab.until(lambda: len(tab.tokens()) >= 3)
    tab.post("aim", region="circle:75%,50%,40%")
    done = tab.done()
    record = tab.get("record").json()
    turns = [(turn["token"], turn["region"]) for turn in record["schedule"]]
    assert turns[0] == (0, "2")
    assert turns[1][1] == "circle:75%,50%,40%"
    picture = Picture.open(STRIP)
    schedule = plan(parse_targets([spec for _, spec in turns], picture), at=[start for start, _ in turns])
    settings = SteerSettings(DYNAMIC_PROMPT, scope="answer")
    asker.idle()
    written = narrate(vlm_of("tiny"), picture, schedule, headset.top(), settings, max_new_tokens=60)
    assert record["text"] == done["text"] == written.text
    assert "".join(event["text"] for event in tab.tokens()) + done["rest"] == written.text
    regions = [event["region"] for event in tab.tokens()]
    assert regions == [2] * turns[1][0] + [7] * (60 - turns[1][0])
    # The heads follow within the first token.
    assert tab.tokens()[turns[1][0]]["on_aim"] > 0.8 > tab.tokens()[turns[1][0]]["unsteered_on_aim"]
    page = tab.get("page")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.count("Steered at region") >= 2


def test_the_python_script_of_the_record_writes_the_same(
    asker: Asker,
    vlm_of: Callable[[str], VLM],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tab = asker.tab()
    tab.post("panels", regions=[[0, 0, 800, 272], [800, 0, 1592, 272]])
    tab.post("aim", region=2)
    tab.post(
        "start", heads="random", seed=3, strength=8, scope="full", prompt="What is this?", max_new_tokens=9
    )
    tab.done()
    record = tab.get("record").json()
    asker.idle()
    monkeypatch.setattr("gazecli.models.load.load", lambda *_args, **_options: vlm_of("tiny"))
    exec(record["python"], {})
    assert capsys.readouterr().out.strip() == record["text"].strip()
    assert "800,0,1592,272;" in record["command"]
    assert "--strength 8" in record["command"]


@pytest.mark.parametrize(
    ("how", "regions", "settings"),
    [
        ({}, [4, "circle:30%,50%,60%"], {"top": 5, "strength": "hard", "max_new_tokens": 25}),
        (
            {"panels": "1x3", "rtl": True},
            [1],
            {"scope": "full", "prompt": "It's $HOME?", "max_new_tokens": 9},
        ),
        ({}, ["0,0,400,272"], {"heads": "all", "mode": "suppress-image", "max_new_tokens": 9}),
        ({}, [2], {"heads": "nobody", "max_new_tokens": 9}),
        ({}, [3], {"heads": "random", "strength": "hard", "max_new_tokens": 9}),
    ],
)
def test_the_command_of_the_record_writes_the_same(
    asker: Asker,
    headset: HeadSet,
    own_cache: Path,
    capfd: pytest.CaptureFixture[str],
    how: dict[str, object],
    regions: list[int | str],
    settings: dict[str, object],
) -> None:
    cache = Cache(own_cache)
    cache.put(headset.to_artifact())
    note_headset(cache, headset, "tiny")
    tab = asker.tab(0, **how)
    for number, region in enumerate(regions):
        tab.post("aim", region=region)
        if number == 0:
            tab.post("start", **settings)
        tab.until(lambda number=number: len(tab.tokens()) > 4 * number)  # type: ignore[misc]
    tab.done()
    record = tab.get("record").json()
    ran = gaze_here(capfd, *shlex.split(record["command"])[1:], "--json")
    assert json.loads(ran.out)["text"] == record["text"].strip(), ran.err


@pytest.mark.parametrize("rtl", [False, True])
def test_a_record_reads_double_pages_as_the_session_did(asker: Asker, tmp_path: Path, rtl: bool) -> None:
    path = tmp_path / "double page.png"
    page = Image.new("RGB", (420, 200), "white")
    for number, (left, top) in enumerate(product((10, 110, 220, 320), (10, 105))):
        page.paste(noise_picture(90, 85, 1, seed=number).image, (left, top))
    page.save(path)
    tab = asker.tab(data_address(path), name=str(path), rtl=rtl)
    across = [region["box"] for region in tab.opened["regions"]]
    pages = [region["box"] for region in tab.post("panels", spread=True, rtl=rtl)["regions"]]
    assert sorted(pages) == sorted(across) != pages != across
    tab.post("aim", region=3)
    tab.post("start", max_new_tokens=3)
    tab.done()
    record = tab.get("record").json()
    words = shlex.split(record["command"])
    assert ("--spread" in words, "--rtl" in words, "--max-pixels" in words) == (True, rtl, False)
    opening = next(line for line in record["python"].splitlines() if line.startswith("picture = "))
    names: dict[str, Any] = {"gaze": gazecli}
    exec(opening, names)
    assert [list(region.box) for region in names["picture"].regions] == pages


def test_without_heads_it_is_what_track_writes(
    asker: Asker, vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    tab = asker.tab()
    tab.post("start", heads="nobody", max_new_tokens=20)
    done = tab.done()
    expected = track(vlm_of("tiny"), Picture.open(STRIP), headset.top(), DYNAMIC_PROMPT, max_new_tokens=20)
    assert done["text"] == expected.text
    assert "aim" not in tab.tokens()[0]
    assert tab.get("record").json()["command"].startswith("gaze track ")
    assert tab.get("page").status_code == 200


def test_a_closed_tab_ends_its_text_and_the_model_idles(asker: Asker) -> None:
    tab = asker.tab()
    tab.post("aim", region=1)
    tab.post("start", max_new_tokens=100_000)
    tab.until(lambda: len(tab.tokens()) >= 4)
    tab.close()
    tab.until(lambda: tab.at.rsplit("/", 1)[1] not in asker.server.live.sessions)
    time.sleep(0.1)
    written, used = asker.server.engine.tokens, time.process_time()
    time.sleep(0.5)
    assert asker.server.engine.tokens == written
    assert time.process_time() - used < 0.2


def test_a_stopped_text_is_whole_and_can_be_repeated(asker: Asker) -> None:
    tab = asker.tab(data_address(), name="mine.png")
    tab.post("aim", region="30%,0%,60%,100%")
    tab.post("start", max_new_tokens=100_000)
    tab.until(lambda: len(tab.tokens()) >= 5)
    tab.post("stop")
    done = tab.done()
    assert done["reason"] == "stopped"
    record = tab.get("record").json()
    assert f"--max-new-tokens {done['tokens']}" in record["command"]
    assert "mine.png" in record["command"]
    assert len(tab.tokens()) == done["tokens"]


def test_two_tabs_both_advance_and_are_told_their_places(asker: Asker) -> None:
    tabs = [asker.tab(), asker.tab()]
    for tab in tabs:
        tab.post("aim", region=3)
        tab.post("start", max_new_tokens=3000, overlay=False)
    for tab in tabs:
        tab.until(lambda tab=tab: len(tab.tokens()) >= 30)  # type: ignore[misc]
    assert {event["place"] for event in tabs[1].events if event["event"] == "queue"} >= {0, 1}
    texts = []
    for tab in tabs:
        tab.post("stop")
        texts.append(tab.done()["text"])
    shorter, longer = sorted(texts, key=len)
    assert longer.startswith(shorter)


def test_what_cannot_be_done_is_said(asker: Asker) -> None:
    tab = asker.tab()
    assert tab.post("start", 400)["error"]["code"] == "usage.region"
    assert tab.post("aim", 400, region=9)["error"]["hint"] == "choose 1 to 6"
    assert "no files" in tab.post("aim", 400, region="@/etc/passwd")["error"]["message"]
    assert tab.post("aim", 400, region=1, regoin=1)["error"]["code"] == "request.key"
    assert tab.get("record").status_code == 409
    tab.post("aim", region=1)
    assert tab.post("start", 400, strength=0)["error"]["code"] == "usage.invalid"
    assert tab.post("start", 400, top=99)["error"]["code"] == "usage.top"
    assert asker.page.get("/live/sessions/nobody/record").status_code == 404


def test_a_session_tells_what_may_be_wrong_with_its_picture_and_its_panels(
    asker: Asker, tmp_path: Path
) -> None:
    tab = asker.tab()
    assert tab.opened["warnings"] == []
    dots = [[10, 10, 12, 12], [14, 14, 16, 16]]
    [sharing] = tab.post("panels", regions=dots)["warnings"]
    assert sharing.startswith("regions 1 and 2 share all their image tokens")
    assert tab.post("panels", panels="auto")["warnings"] == []
    Image.effect_noise((180, 60), 90).convert("RGB").save(tmp_path / "photo.png")
    [toy] = asker.tab(data_address(tmp_path / "photo.png")).opened["warnings"]
    assert "no panels were found" in toy


def test_a_text_that_is_whole_is_compared_with_the_unsteered_one(asker: Asker) -> None:
    tab = asker.tab()
    tab.post("aim", region=3)

    def compared() -> list[dict[str, Any]]:
        return [event for event in list(tab.events) if event["event"] == "compared"]

    tab.post("start", max_new_tokens=12)
    tab.until(compared)
    assert (compared()[0]["run"], compared()[0]["unchanged"]) == (1, False)
    # Too weak to change a word.
    tab.post("start", max_new_tokens=12, strength=1e-6)
    tab.until(lambda: len(compared()) == 2)
    assert (compared()[1]["run"], compared()[1]["unchanged"]) == (2, True)
    assert compared()[1]["unsteered"] == tab.done(2)["text"].strip()
    tab.post("start", max_new_tokens=12, heads="nobody")
    tab.done(3)
    time.sleep(0.2)
    assert len(compared()) == 2, "an unsteered text is not compared with itself"
