"""Tracking: nothing is steered, and the attention of every written token is the written-out formula's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gazecli.errors import HeadSetError, SpanError, UsageError
from gazecli.models.inference.generate import Limits, generate, pieces_of
from gazecli.models.vlm import VLM
from gazecli.pictures.regions import Region
from gazecli.steering.schedule import sentence_spans
from gazecli.steering.track import TRACKING_PROMPT, find_span, track
from tests import oracle
from tests.conftest import QWEN, noise_picture

HEADS = [(0, 1), (1, 3), (1, 0)]
OTHERS = [[(0, 2), (1, 1), (1, 2)], [(0, 0), (0, 3), (1, 2)]]


@pytest.mark.parametrize("family", QWEN)
def test_maps_are_attention_times_value_norms_as_shares_of_the_picture(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    vlm, picture = vlm_of(family), noise_picture(420, 130, 3)
    seen = track(vlm, picture, HEADS, controls=OTHERS, max_new_tokens=4)
    inputs, layout = vlm.prepare(picture, TRACKING_PROMPT)
    written = generate(vlm, inputs, layout, None, 1, Limits(4))[0]
    vlm.forget_positions()
    image = layout.positions.tolist()
    rows = oracle.steered_rows(
        vlm.model, inputs, [], [], image, 0.0, continuation=written[:-1], value_weighted=True
    )
    on_image = rows[..., image]  # (layers, heads, tokens, N)
    shares = (on_image / on_image.sum(-1, keepdim=True)).numpy()
    for group, heads in enumerate([HEADS, *OTHERS]):
        expected = np.mean([shares[layer, head] for layer, head in heads], axis=0)
        np.testing.assert_allclose(seen.maps[group], expected[: seen.tokens], atol=1e-5)
        for place, region in enumerate(picture.regions):
            inside = [image.index(token) for token in layout.tokens(region).tolist()]
            on_region = expected[: seen.tokens, inside].sum(-1)
            np.testing.assert_allclose(seen.trajectories()[group, :, place], on_region, atol=1e-5)
    np.testing.assert_allclose(seen.maps.sum(-1), 1.0, atol=1e-5)


def test_watching_changes_nothing(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen3_vl"), noise_picture(300, 120, 3)
    inputs, layout = vlm.prepare(picture, TRACKING_PROMPT)
    free = vlm.decode(generate(vlm, inputs, layout, None, 1, Limits(6))[0])
    seen = track(vlm, picture, HEADS, controls=OTHERS, max_new_tokens=6)
    assert seen.text == free
    assert "".join(seen.pieces) == free


def test_the_pointing_game_sets_attention_beside_the_area(vlm_of: Callable[[str], VLM]) -> None:
    picture = noise_picture(400, 100, 2)
    everything = Region(3, (0.0, 0.0, 400.0, 100.0))
    seen = track(vlm_of("qwen2_vl"), picture, HEADS, controls=OTHERS, also=[everything], max_new_tokens=3)
    left, right, whole = seen.pointing(0, seen.tokens)
    assert (whole.area, whole.gaze) == (1.0, pytest.approx(1.0, abs=1e-5))
    assert left.area + right.area == pytest.approx(1.0, abs=0.02)
    assert left.gaze + right.gaze == pytest.approx(1.0, abs=1e-5)
    assert left.control is not None
    box = seen.peak(0, seen.tokens)
    assert box is not None
    assert 0 <= box[0] < box[2] <= 400


def test_no_heads_no_words_and_other_models_heads_are_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm, picture = vlm_of("qwen2_vl"), noise_picture(300, 100, 3)
    for heads, prompt, longest in (([], "What?", 3), (HEADS, " ", 3), (HEADS, "What?", 0)):
        with pytest.raises(UsageError):
            track(vlm, picture, heads, prompt, max_new_tokens=longest)
    with pytest.raises(HeadSetError):
        track(vlm, picture, HEADS, controls=[[(99, 0)]], max_new_tokens=1)


PIECES = ["A", " red", " c", "at", " sat", ".", "", " The", " red", "  cat", " ran"]


@pytest.mark.parametrize(
    ("wanted", "tokens", "often"),
    [
        ("red cat", (1, 4), 2),
        ("RED  CAT", (1, 4), 2),
        ("at", (3, 4), 3),
        ("ran", (10, 11), 1),
        ("A", (0, 1), 1),
    ],
)
def test_a_span_is_the_tokens_that_wrote_it(wanted: str, tokens: tuple[int, int], often: int) -> None:
    span = find_span(PIECES, wanted)
    assert ((span.start, span.end), span.occurrences) == (tokens, often)


def test_words_that_were_not_written_are_an_error_that_shows_the_text() -> None:
    with pytest.raises(SpanError) as raised:
        find_span(PIECES, "blue dog")
    assert raised.value.exit_code == 1
    assert "The red  cat ran" in str(raised.value.hint)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=12), st.data())
@example(["", "a"], None)
def test_any_part_of_a_text_is_found_where_it_stands(pieces: list[str], data: st.DataObject | None) -> None:
    text = "".join(pieces)
    words = text.split()
    if data is None or not words:
        return
    word = data.draw(st.sampled_from(words))
    span = find_span(pieces, word)
    assert 0 <= span.start < span.end <= len(pieces)
    assert word.casefold() in "".join(pieces[span.start : span.end]).casefold()


@given(st.text(max_size=12))
def test_pieces_join_to_the_text_even_where_characters_take_several_tokens(text: str) -> None:
    data = text.encode()

    def decode(tokens: object) -> str:
        return bytes(tokens).decode("utf-8", "replace")  # type: ignore[call-overload]

    pieces = pieces_of(decode, list(data))
    assert len(pieces) == len(data)
    assert "".join(pieces) == decode(list(data))


def test_sentences_end_with_their_marks() -> None:
    assert sentence_spans(PIECES) == [(0, 6), (6, 11)]
    assert sentence_spans(["No", " end"]) == [(0, 2)]
