"""Heads found on texts alone: measured as one eager pass a question does, on models with and without eyes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

import gazecli as gaze
from gazecli.cache import Cache
from gazecli.errors import HeadSetError, ModelError, UsageError
from gazecli.heads.headset_store import find_headset, last_headset
from gazecli.heads.questions import TEXT_PROMPT, panel_prompts
from gazecli.heads.text_lists import LONGEST, open_text_lists
from gazecli.heads.text_measure import ask_about_texts, measured_lists, numbered
from gazecli.models.text_prompts import TextTokens
from gazecli.models.vlm import VLM
from gazecli.tiny.comics import text_lists_of_scenes
from tests import oracle
from tests.conftest import noise_picture, write_comics
from tests.fixtures.text_models import byte_tokenizer, joining_tokenizer, text_checkpoint

LISTS = text_lists_of_scenes(4, seed=1, texts=3)
# The tokens of this tokenizer reach from one text into the next, and from the last one into the question.
WORDED = "{ordinal_word} of {count}: what happens there?"


PROMPTS = [
    f"{numbered(texts)[0]}\n\n{question}"
    for texts in text_lists_of_scenes(40, seed=5, texts=3)
    for question in panel_prompts(WORDED, 3)
]


@cache
def joined() -> Tokenizer:
    return joining_tokenizer(PROMPTS)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], VLM]:
    """A loaded language model without a vision tower."""

    @cache
    def model(kind: str) -> VLM:
        # Qwen's own class cuts words in its own way, whatever the file says.
        tokenizer = byte_tokenizer(PROMPTS) if kind == "qwen2" else joined()
        folder = text_checkpoint(kind, tmp_path_factory.mktemp(kind) / f"random-{kind}", tokenizer)
        return gaze.load(folder, device="cpu", dtype="float32", text=True)

    return model


def plain_matrices(vlm: VLM, texts: Sequence[str], template: str) -> np.ndarray:
    """(L, H, P, P) by one eager pass a question; what a token covers is found by decoding, token by token."""
    listing, spans = numbered(texts)
    asked = []
    for question in panel_prompts(template, len(texts)):
        prompt = vlm.preparation.prompt(f"{listing}\n\n{question}", 0)
        begins = vlm.tokenizer.bos_token
        plain = bool(begins) and prompt.startswith(begins)
        ids = vlm.tokenizer(prompt, add_special_tokens=not plain)["input_ids"]
        written = [vlm.tokenizer.decode(ids[:end], skip_special_tokens=False) for end in range(len(ids) + 1)]
        at = written[-1].index(listing)
        owners: list[list[int]] = [[] for _ in texts]
        for place in range(len(ids)):
            first, end = len(written[place]), len(written[place + 1])
            covered = [min(end, at + last) - max(first, at + start) for start, last in spans]
            if max(covered) > 0:
                owners[covered.index(max(covered))].append(place)
        asked.append(({"input_ids": torch.tensor([ids])}, owners))
    vlm.forget_positions()
    return oracle.discover(vlm.model, [asked])


def assert_measured_plainly(vlm: VLM, template: str = TEXT_PROMPT) -> None:
    questions = panel_prompts(template, 3)
    found: dict[int, Any] = {}
    for batch in measured_lists(vlm, list(enumerate(LISTS)), questions, 3):
        found |= dict(batch)
    for number, texts in enumerate(LISTS):
        expected = plain_matrices(vlm, texts, template)
        heads = ~np.isnan(expected)  # hybrids have layers without
        np.testing.assert_allclose(found[number][..., :3][heads], expected[heads], atol=1e-4, rtol=0)
        np.testing.assert_allclose(found[number][..., 3], found[number][..., :3].sum(-1), atol=1e-5)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_5", "llava_gpt_oss", "gemma3", "mistral3", "tiny"])
def test_a_model_with_eyes_is_measured_on_texts_as_one_eager_pass_a_question_does(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    assert_measured_plainly(vlm_of(family))


def test_so_is_one_without(blind: Callable[[str], VLM]) -> None:
    assert_measured_plainly(blind("qwen2"))


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_so_is_one_whose_tokens_reach_over_the_ends_of_texts(blind: Callable[[str], VLM], kind: str) -> None:
    vlm = blind(kind)
    assert_measured_plainly(vlm)
    # Asked so, the end of the last text is joined to another word before each question: nothing is shared.
    assert ask_about_texts(vlm, 0, LISTS[0], panel_prompts(WORDED, 3)).prompts.shared == 0
    assert_measured_plainly(vlm, WORDED)


WORDS = st.text("abz. \u00e4\u00e9\u2013", min_size=1, max_size=8).filter(str.strip)


@given(st.lists(WORDS, min_size=2, max_size=4), st.text("ab .\n1:", max_size=6))
def test_a_token_belongs_to_the_text_of_which_it_covers_most(texts: list[str], before: str) -> None:
    listing, spans = numbered(texts)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=joined())
    found = TextTokens.of(tokenizer, before + listing)
    pieces = [joined().decode([token], skip_special_tokens=False) for token in found.ids]
    assert "".join(pieces) == before + listing
    owner = [None] * len(before)
    for number, (first, end) in enumerate(spans):
        owner += [None] * (len(before) + first - len(owner)) + [number] * (end - first)  # type: ignore[list-item]
    at, expected = 0, np.zeros((len(pieces), len(texts)))
    for place, piece in enumerate(pieces):
        covered = [owner[at : at + len(piece)].count(number) for number in range(len(texts))]  # type: ignore[arg-type]
        if any(covered):
            expected[place, int(np.argmax(covered))] = 1
        at += len(piece)
    if not expected.any(axis=0).all():
        with pytest.raises(ModelError, match="no token of its own"):
            found.membership([(len(before) + a, len(before) + b) for a, b in spans])
        return
    table = found.membership([(len(before) + a, len(before) + b) for a, b in spans])
    np.testing.assert_array_equal(table.numpy(), expected)


def test_a_head_set_of_texts_is_of_its_own_kind_and_found_again(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    vlm, cache = vlm_of("qwen2_vl"), Cache(tmp_path / "cache")
    first = gaze.discover_text(vlm, LISTS, cache=cache)
    again = gaze.discover_text(vlm, [tuple(texts) for texts in LISTS], cache=cache)
    assert (first.kind, first.panels, first.header["comics"]["strips"]) == ("text", 3, 4)
    assert first.question == TEXT_PROMPT
    assert (again.cached, again.digest) == (True, first.digest)
    assert find_headset(first.digest, cache).kind == "text"
    other = gaze.discover_text(vlm, LISTS, prompt="What does text {number} say?", cache=cache)
    assert other.digest != first.digest
    assert gaze.discover_text(vlm, LISTS, samples=2, cache=cache).header["comics"]["strips"] == 2


def test_an_interrupted_walk_over_texts_goes_on_where_it_was(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    vlm, lists = vlm_of("qwen2_vl"), text_lists_of_scenes(7, seed=2, texts=3)
    whole = gaze.discover_text(vlm, lists, batch_size=2, cache=Cache(tmp_path / "one"))

    def interrupt(done: int, _total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    cache = Cache(tmp_path / "two")
    with pytest.raises(KeyboardInterrupt):
        gaze.discover_text(vlm, lists, batch_size=2, cache=cache, progress=interrupt)
    resumed = gaze.discover_text(vlm, lists, batch_size=2, cache=cache)
    assert resumed.resumed_from >= 3
    assert resumed.digest == whole.digest


def test_heads_found_on_texts_do_not_take_the_place_of_those_found_on_pictures(
    vlm_of: Callable[[str], VLM], tmp_path: Path
) -> None:
    vlm, cache = vlm_of("qwen2_vl"), Cache(tmp_path / "cache")
    of_texts = gaze.discover_text(vlm, LISTS, cache=cache)
    assert last_headset(cache).digest == find_headset(vlm.source, cache).digest == of_texts.digest
    comics = write_comics(tmp_path / "comics", strips=2, panels=3)
    of_pictures = gaze.discover(vlm, comics, panels=3, cache=cache)
    gaze.discover_text(vlm, LISTS[:3], cache=cache)
    assert last_headset(cache).digest == find_headset(vlm.source, cache).digest == of_pictures.digest
    picture = noise_picture(180, 60, 3)
    steered = gaze.steer(vlm, picture, 2, of_texts, max_new_tokens=2, cache=cache).steering
    assert steered is not None
    assert steered.heads == of_texts.top()


def test_a_model_without_eyes_is_taken_for_texts_and_refused_for_pictures(
    blind: Callable[[str], VLM], tmp_path: Path
) -> None:
    vlm, cache = blind("qwen2"), Cache(tmp_path / "cache")
    found = gaze.discover_text(vlm.source, LISTS, cache=cache, device="cpu", dtype="float32")
    assert (found.kind, found.model["family"], found.model["digest"]) == ("text", "qwen2", vlm.digest)
    assert find_headset(vlm.source, cache).digest == found.digest
    comics = write_comics(tmp_path / "comics", strips=2, panels=3)
    picture = noise_picture(180, 60, 3)
    for needs_pictures in (
        lambda: gaze.load(vlm.source),
        lambda: gaze.discover(vlm.source, comics, panels=3, cache=cache),
        lambda: gaze.steer(vlm.source, picture, 2, found, cache=cache),
        lambda: gaze.steer(vlm, picture, 2, found, cache=cache),
        lambda: gaze.track(vlm, picture, found, cache=cache),
        lambda: vlm.prepare(picture, "What?"),
    ):
        with pytest.raises(ModelError, match="without a vision tower, it reads text only"):
            needs_pictures()


def test_a_model_that_needs_a_picture_is_refused_for_texts(vlm_of: Callable[[str], VLM]) -> None:
    with pytest.raises(ModelError, match="paligemma needs a picture"):
        gaze.discover_text(vlm_of("paligemma"), LISTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there are no texts"),
        ("one\n", "list 1 has 1 text, and may have 2 to 20"),
        ("one\ntwo\n\none\ntwo\nthree\n", "list 2 has 3 texts, and the first has 2"),
        ("a\n" * 21, "list 1 has 21 texts"),
        (f"a\n{'b' * (LONGEST + 1)}\n", f"a text of {LONGEST + 1} characters"),
        (b"\xff\xfe\n", "not in UTF-8"),
    ],
)
def test_a_file_that_holds_no_lists_is_refused_in_words(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=said):
        open_text_lists(path)


def test_a_file_has_a_text_a_line_and_blank_lines_between_lists(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffA cat.\r\nÄ dog.\r\n\r\n \n  three \nfour\n".encode())
    found = open_text_lists(path)
    assert found.lists == (("A cat.", "Ä dog."), ("three", "four"))
    assert found.digest == open_text_lists(path).digest
    assert found.sample(1, 3).lists[0] in found.lists


def test_the_heads_of_another_model_say_how_to_find_its_own(
    vlm_of: Callable[[str], VLM], blind: Callable[[str], VLM], tmp_path: Path
) -> None:
    found = gaze.discover_text(blind("llama"), LISTS, cache=Cache(tmp_path))
    with pytest.raises(HeadSetError, match="belongs to") as refused:
        found.check_model(vlm_of("qwen2_vl").digest, "other")
    assert refused.value.hint == "run: gaze discover other --text"
