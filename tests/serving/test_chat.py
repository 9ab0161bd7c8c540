"""The API for programs, asked by the client of its makers: answers are those of `gaze steer`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import openai
import pytest
from PIL import Image

from gazecli.heads.headset import HeadSet
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.steering.settings import STATIC_PROMPT, SteerSettings
from gazecli.steering.steer import steer_regions
from tests.serving.conftest import STRIP, Asker, data_address

MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": STATIC_PROMPT},
            {"type": "image_url", "image_url": {"url": data_address()}},
        ],
    }
]


@pytest.fixture
def client(asker: Asker) -> Iterator[openai.OpenAI]:
    where = asker.server.address
    with openai.OpenAI(base_url=where.api, api_key=where.key, max_retries=0) as opened:
        yield opened


@pytest.mark.parametrize(
    "gaze",
    [
        {"region": 3},
        {"region": "10%,20%,55%,80%", "strength": "hard", "scope": "answer"},
        {"region": [0, 0, 500, 272], "mode": "suppress-image", "top": 5, "score": "selectivity"},
        {"region": 2, "panels": "1x2"},
        {"region": "circle:50%,50%,40%"},
    ],
)
def test_the_official_client_gets_the_answer_of_steer(
    client: openai.OpenAI, vlm_of: Callable[[str], VLM], headset: HeadSet, gaze: dict[str, object]
) -> None:
    picture = Picture.open(STRIP, panels=gaze.get("panels", "auto"))  # type: ignore[arg-type]
    known = {name: gaze[name] for name in ("strength", "mode", "scope") if name in gaze}
    settings = SteerSettings(STATIC_PROMPT, **known)  # type: ignore[arg-type]
    heads = headset.top(gaze.get("top", "auto"), gaze.get("score", "auto"))  # type: ignore[arg-type]
    target = picture.region(gaze["region"], len(picture.regions) + 1)  # type: ignore[arg-type]
    expected = steer_regions(vlm_of("tiny"), picture, [target], heads, settings).answers[0]
    whole = client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={"gaze": gaze})  # type: ignore[call-overload]
    assert whole.choices[0].message.content == expected.text
    assert whole.usage.completion_tokens == expected.tokens
    assert (whole.gaze["unchanged"], whole.gaze["warnings"]) == (expected.unchanged, [])
    moved = whole.gaze["attention_on_region"]
    assert moved["steered"] == pytest.approx(expected.attention_steered, abs=1e-6)
    stream = client.chat.completions.create(  # type: ignore[call-overload]
        model="tiny", messages=MESSAGES, stream=True, extra_body={"gaze": gaze}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == expected.text
    assert chunks[-1].gaze["attention_on_region"] == moved
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_without_a_strength_it_is_the_one_that_a_sweep_chose(
    serve: Callable[..., Asker], headset: HeadSet
) -> None:
    suggested = {**headset.header["suggested"], "strength": 4.5}
    asker = serve(heads=replace(headset, header={**headset.header, "suggested": suggested}))
    plain, given = (asker.chat(max_tokens=2, gaze={"region": 3, **how}) for how in ({}, {"strength": 7}))
    assert plain.json()["gaze"]["settings"]["strength"] == 4.5
    assert given.json()["gaze"]["settings"]["strength"] == 7
    assert asker.page.get("/live").json()["defaults"]["strength"] == 4.5


def test_without_gaze_nothing_is_steered(
    client: openai.OpenAI, vlm_of: Callable[[str], VLM], headset: HeadSet
) -> None:
    picture = Picture.open(STRIP)
    settings = SteerSettings(STATIC_PROMPT)
    expected = steer_regions(vlm_of("tiny"), picture, picture.regions[:1], headset.top(), settings).baseline
    answer = client.chat.completions.create(model="tiny", messages=MESSAGES)  # type: ignore[call-overload]
    assert answer.choices[0].message.content == expected
    assert not hasattr(answer, "gaze")
    assert [model.id for model in client.models.list()] == ["tiny"]


def test_a_short_answer_says_that_it_was_cut(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=2)  # type: ignore[call-overload]
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 2


def test_errors_are_openais_with_our_codes(asker: Asker, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(  # type: ignore[call-overload]
            model="tiny", messages=MESSAGES, extra_body={"gaze": {"region": "0,0,9999,9"}}
        )
    assert caught.value.code == "region.invalid"
    assert "1592 x 272" in caught.value.body["hint"]  # type: ignore[index]
    cases = [
        ({"gaze": {"region": 3, "regoin": 3}}, 400, "request.key"),
        ({"gaze": {}}, 400, "usage.region"),
        ({"gaze": {"region": "@/etc/passwd"}}, 400, "region.invalid"),
        ({"gaze": {"region": 3, "heads": [[9, 9]]}}, 400, "headset.head"),
        ({"model": "gpt-4"}, 404, "model.unknown"),
        ({"temperature": 1}, 400, "request.invalid"),
        ({"max_tokens": 0}, 400, "usage.invalid"),
        ({"tools": []}, 400, "request.key"),
        ({"picture": "data:image/png;base64,AAAA"}, 400, "picture.unreadable"),
        ({"picture": "https://example.com/a.png"}, 400, "picture.remote"),
        ({"picture": "file:///etc/passwd"}, 400, "picture.remote"),
    ]
    for more, status, code in cases:
        for stream in (False, True):
            answer = asker.chat(stream=stream, **more)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), (more, answer.text)


def test_steering_without_effect_is_an_error_even_where_text_was_sent(asker: Asker) -> None:
    weak = {"gaze": {"region": 3, "strength": 1e-6}}
    answer = asker.chat(**weak)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "steering.ineffective")
    last = asker.chat(stream=True, **weak).text.split("data: ")[-1]
    assert json.loads(last)["error"]["code"] == "steering.ineffective"


def test_many_at_once_get_the_answers_they_would_get_alone(asker: Asker) -> None:
    alone = [asker.chat(gaze={"region": region}).json()["choices"] for region in range(1, 7)]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda n: asker.chat(gaze={"region": n % 6 + 1}).json()["choices"], range(18))
        )
    assert together == alone * 3


def test_an_answer_that_is_the_unsteered_one_is_marked_and_without_a_baseline_nobody_knows(
    asker: Asker,
) -> None:
    blunt = {"region": 3, "heads": [[0, 0]]}  # no gaze head: pointing it changes nothing
    answer = asker.chat(gaze=blunt).json()
    assert answer["gaze"]["unchanged"] is True
    assert answer["gaze"]["baseline"]["text"] == answer["choices"][0]["message"]["content"]
    last = asker.chat(gaze=blunt, stream=True).text.split("data: ")[-2]
    assert json.loads(last)["gaze"]["unchanged"] is True
    plain = asker.chat(gaze={**blunt, "baseline": False}).json()["gaze"]
    assert (plain["unchanged"], plain["baseline"]) == (None, None)


def test_a_toy_warns_of_a_picture_without_panels_whether_it_is_steered_or_not(
    asker: Asker, tmp_path: Path
) -> None:
    Image.effect_noise((180, 60), 90).convert("RGB").save(tmp_path / "photo.png")
    photo = data_address(tmp_path / "photo.png")
    for more in ({"gaze": {"region": "left"}}, {}):
        [warning] = asker.chat(photo, max_tokens=1, **more).json()["gaze"]["warnings"]
        assert "no panels were found" in warning


def test_regions_that_share_all_their_tokens_are_told(asker: Asker) -> None:
    dots = {"region": 1, "regions": [[10, 10, 12, 12], [14, 14, 16, 16]]}
    [warning] = asker.chat(max_tokens=1, gaze=dots).json()["gaze"]["warnings"]
    assert warning.startswith("regions 1 and 2 share all their image tokens")
