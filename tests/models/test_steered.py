"""`steered` finds its image tokens in the running call: padded batches, many questions, many pictures.

What it cannot find, or cannot reach, is an error; nothing is steered wrongly or not at all in silence.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from gazecli.errors import HeadSetError, ModelError, SteeringError, UsageError
from gazecli.heads.headset import Head
from gazecli.models.attention.gaze_attention import RowWatcher
from gazecli.models.attention.kv_cache import as_argument, cache_among
from gazecli.models.attention.modes import SCOPES
from gazecli.models.attention.watchers import RowKeeper
from gazecli.models.load import load
from gazecli.models.token_maps.image_tokens import ImageLayout
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import noise_picture

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAMILIES = ("qwen2_vl", "qwen3_vl", "qwen3_5", "llava_pad", "internvl", "gemma3", "mistral3", "paligemma2")
SHORT, LONG = "What is this?", "What is the main action or event in this panel of the comic strip?"
WIDE, TALL = noise_picture(360, 120, 3, 1), noise_picture(120, 360, 3, 2)


@pytest.fixture
def fresh(checkpoint: Callable[[str], Path]) -> VLM:
    """A model that a test may spoil."""
    return load(str(checkpoint("qwen3_vl")), device="cpu", dtype="float32")


def heads_of(vlm: VLM) -> list[tuple[int, int]]:
    return [(layer, head) for layer in vlm.heads_of for head in (0, 3)]


def batch_of(vlm: VLM, pictures: Sequence[Picture], questions: Sequence[str], side: str = "left") -> Any:
    """A padded batch, made by the processor as its users do."""
    texts = [vlm.preparation.prompt(question) for question in questions]
    if vlm.tokenizer.pad_token is None:
        vlm.tokenizer.pad_token = vlm.tokenizer.eos_token
    vlm.tokenizer.padding_side = side
    begins = vlm.tokenizer.bos_token
    once = {"add_special_tokens": False} if begins and texts[0].startswith(begins) else {}
    images = [[picture.image] for picture in pictures]
    inputs = vlm.processor(images=images, text=texts, padding=True, return_tensors="pt", **once)
    inputs.pop("labels", None)
    vlm.forget_positions()
    return inputs


def alone(vlm: VLM, picture: Picture, question: str, panel: int, **settings: Any) -> torch.Tensor:
    """What the oracle says of one prompt without padding: the last token's logits."""
    inputs, layout = vlm.prepare(picture, question)
    owned = layout.tokens(picture.regions[panel]).tolist()
    others = [place for place in layout.positions.tolist() if place not in owned]
    vlm.forget_positions()
    logits = oracle.steered_logits(vlm.model, inputs, heads_of(vlm), owned, others, 10.0, **settings)
    return logits[-1].float()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", ["full", "answer"])
def test_a_padded_batch_of_questions_is_steered_as_each_alone(
    vlm_of: Callable[[str], VLM], family: str, scope: Any
) -> None:
    vlm = vlm_of(family)
    _, layout = vlm.prepare(WIDE, SHORT)
    inputs = batch_of(vlm, [WIDE, WIDE], [LONG, SHORT])
    with vlm.steered(heads_of(vlm), layout, WIDE.regions[1], scope=scope), torch.no_grad():
        got = vlm.model(**inputs).logits[:, -1].float()
    for row, question in enumerate((LONG, SHORT)):
        torch.testing.assert_close(got[row], alone(vlm, WIDE, question, 1, scope=scope), atol=1e-3, rtol=0)


@pytest.mark.parametrize("mode", ["boost-suppress", "max-suppress-all"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_every_mode_and_scope_knows_where_each_rows_prompt_begins_and_ends(
    vlm_of: Callable[[str], VLM], mode: Any, scope: Any, side: str
) -> None:
    vlm = vlm_of("qwen2_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    inputs = batch_of(vlm, [WIDE, WIDE], [LONG, SHORT], side)
    settings = {"mode": mode, "scope": scope}
    with vlm.steered(heads_of(vlm), layout, WIDE.regions[1], **settings), torch.no_grad():
        logits = vlm.model(**inputs).logits.float()
    for row, question in enumerate((LONG, SHORT)):
        last = int(inputs["attention_mask"][row].nonzero().max())
        torch.testing.assert_close(
            logits[row, last], alone(vlm, WIDE, question, 1, **settings), atol=1e-3, rtol=0
        )


@pytest.mark.parametrize("family", ["qwen2_vl", "llava_next", "internvl", "gemma3", "mistral3"])
def test_pictures_that_differ_have_a_layout_and_a_region_each(
    vlm_of: Callable[[str], VLM], family: str
) -> None:
    vlm = vlm_of(family)
    layouts = [vlm.prepare(picture, SHORT)[1] for picture in (WIDE, TALL)]
    inputs = batch_of(vlm, [WIDE, TALL], [SHORT, LONG])
    regions = [WIDE.regions[0], TALL.regions[2]]
    with vlm.steered(heads_of(vlm), layouts, regions), torch.no_grad():
        got = vlm.model(**inputs).logits[:, -1].float()
    torch.testing.assert_close(got[0], alone(vlm, WIDE, SHORT, 0), atol=1e-3, rtol=0)
    torch.testing.assert_close(got[1], alone(vlm, TALL, LONG, 2), atol=1e-3, rtol=0)


def test_each_row_may_have_a_region_of_the_same_picture(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen3_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    inputs = batch_of(vlm, [WIDE] * 3, [SHORT, LONG, SHORT])
    with vlm.steered(heads_of(vlm), layout, WIDE.regions), torch.no_grad():
        got = vlm.model(**inputs).logits[:, -1].float()
    for row, question in enumerate((SHORT, LONG, SHORT)):
        torch.testing.assert_close(got[row], alone(vlm, WIDE, question, row), atol=1e-3, rtol=0)


WRITING = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("family", ["qwen2_vl", "llava_pad"])
def test_a_padded_batch_is_written_as_each_prompt_alone(
    vlm_of: Callable[[str], VLM], family: str, scope: Any
) -> None:
    vlm = vlm_of(family)
    heads, target = heads_of(vlm), WIDE.regions[2]
    expected = []
    for question in (SHORT, LONG):
        inputs, layout = vlm.prepare(WIDE, question)
        vlm.forget_positions()
        with vlm.steered(heads, layout, target, scope=scope, mode="max-suppress-all"):
            expected.append(vlm.model.generate(**inputs, **WRITING)[0, layout.length :].tolist())
    inputs = batch_of(vlm, [WIDE, WIDE], [SHORT, LONG])
    for cached in (True, False):
        vlm.forget_positions()
        with vlm.steered(heads, layout, target, scope=scope, mode="max-suppress-all"):
            written = vlm.model.generate(**inputs, **WRITING, use_cache=cached)
        assert written[:, inputs["input_ids"].shape[1] :].tolist() == expected


def test_beams_keep_the_layout_of_their_prompt(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("llava_next")
    beams = {"max_new_tokens": 3, "min_new_tokens": 3, "num_beams": 3, "do_sample": False}
    pictures, expected = [WIDE, TALL], []
    layouts = [vlm.prepare(picture, SHORT)[1] for picture in pictures]
    for picture, layout in zip(pictures, layouts, strict=True):
        inputs, _ = vlm.prepare(picture, SHORT)
        with vlm.steered(heads_of(vlm), layout, picture.regions[1]):
            expected.append(vlm.model.generate(**inputs, **beams)[0, layout.length :].tolist())
    inputs = batch_of(vlm, pictures, [SHORT, SHORT])
    with vlm.steered(heads_of(vlm), layouts, [picture.regions[1] for picture in pictures]):
        written = vlm.model.generate(**inputs, **beams)
    assert written[:, inputs["input_ids"].shape[1] :].tolist() == expected


def test_what_is_written_behind_a_known_prompt_counts_as_written(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    written = [40, 41, 42]
    longer = oracle.continued(vlm.model, inputs, written)
    vlm.forget_positions()
    settings: dict[str, Any] = {"scope": "decode", "mode": "max-suppress-all"}
    with vlm.steered(heads_of(vlm), layout, WIDE.regions[0], **settings), torch.no_grad():
        got = vlm.model(**longer).logits[0, -1].float()
    plain = alone(vlm, WIDE, SHORT, 0, continuation=written, **settings)
    torch.testing.assert_close(got, plain, atol=1e-3, rtol=0)


def transposed(layout: ImageLayout) -> tuple[int, int]:
    return int(layout.sizes[0, 1]), int(layout.sizes[0, 2])  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (noise_picture(480, 120, 3), "image tokens, and its layout"),
        (TALL, "not as large as those of the layout"),
    ],
)
def test_another_picture_than_the_layouts_is_refused(
    vlm_of: Callable[[str], VLM], asked: Picture, message: str
) -> None:
    vlm = vlm_of("qwen2_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    inputs, other = vlm.prepare(asked, SHORT)
    if asked is TALL:
        assert transposed(other) == transposed(layout)[::-1]
    with pytest.raises(UsageError, match=message) as caught, vlm.steered([(0, 0)], layout, WIDE.regions[1]):
        vlm.model(**inputs)
    assert caught.value.code == "layout.mismatch"


def test_tokens_that_lie_otherwise_are_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("mistral3")
    layout, (inputs, other) = vlm.prepare(WIDE, SHORT)[1], vlm.prepare(TALL, SHORT)
    assert len(other.positions) == len(layout.positions)
    with (
        pytest.raises(UsageError, match="not where its layout has them"),
        vlm.steered([(0, 0)], layout, WIDE.regions[1]),
    ):
        vlm.model(input_ids=inputs["input_ids"], pixel_values=None)


def test_a_text_without_a_picture_is_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    with pytest.raises(UsageError, match="0 image tokens"), vlm.steered([(0, 0)], layout, WIDE.regions[1]):
        vlm.model(input_ids=torch.tensor([[40, 41, 42]]))


def test_embeddings_without_tokens_are_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    embedded = vlm.model.get_input_embeddings()(inputs["input_ids"])
    with (
        pytest.raises(UsageError, match="embeddings") as caught,
        vlm.steered([(0, 0)], layout, WIDE.regions[1]),
    ):
        vlm.model(inputs_embeds=embedded)
    assert caught.value.code == "layout.unknown"


def test_a_part_of_the_model_run_alone_is_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    embedded = vlm.model.get_input_embeddings()(inputs["input_ids"])
    with (
        pytest.raises(ModelError, match="bypassed the model"),
        vlm.steered([(0, 0)], layout, WIDE.regions[1]),
    ):
        vlm.decoder(inputs_embeds=embedded)


def test_a_picture_read_outside_the_block_is_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    vlm.forget_positions()
    with torch.no_grad():
        cache = cache_among(vlm.model(**inputs, use_cache=True))
    next_token = {"input_ids": torch.tensor([[7]]), **as_argument(vlm.model, cache)}
    with pytest.raises(UsageError, match="outside the block"), vlm.steered([(0, 0)], layout, WIDE.regions[1]):
        vlm.model(**next_token)


def test_a_cache_the_model_made_itself_is_followed(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    vlm.forget_positions()
    with vlm.steered(heads_of(vlm), layout, WIDE.regions[0]), torch.no_grad():
        output = vlm.model(**inputs, use_cache=True)
        other = copy.deepcopy(cache_among(output))
        next_token = {"input_ids": torch.tensor([[40]]), **as_argument(vlm.model, cache_among(output))}
        got = vlm.model(**next_token).logits[0, -1]
        with pytest.raises(UsageError, match="outside the block"):
            vlm.model(input_ids=torch.tensor([[7]]), **as_argument(vlm.model, other))
    torch.testing.assert_close(got, alone(vlm, WIDE, SHORT, 0, continuation=[40]), atol=1e-3, rtol=0)


def test_rows_that_no_layout_is_given_for_are_refused(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    layouts = [vlm.prepare(picture, SHORT)[1] for picture in (WIDE, TALL)]
    region = [WIDE.regions[0], TALL.regions[0]]
    three = batch_of(vlm, [WIDE, TALL, TALL], [SHORT] * 3)
    with pytest.raises(UsageError, match="3 rows"), vlm.steered([(0, 0)], layouts, region):
        vlm.model(**three)
    four = batch_of(vlm, [WIDE, WIDE, TALL, TALL], [SHORT, LONG, SHORT, LONG])
    with pytest.raises(UsageError, match="4 prompts"), vlm.steered([(0, 0)], layouts, region):
        vlm.model(**four)
    with (
        pytest.raises(UsageError, match="layouts, regions and pictures differ"),
        vlm.steered([(0, 0)], layouts, WIDE.regions),
    ):
        pass


def test_eager_attention_is_steered_and_hands_out_its_weights(fresh: VLM) -> None:
    fresh.model.set_attn_implementation("eager")
    inputs, layout = fresh.prepare(WIDE, SHORT)
    owned = layout.tokens(WIDE.regions[1]).tolist()
    others = [place for place in layout.positions.tolist() if place not in owned]
    fresh.forget_positions()
    with fresh.steered(heads_of(fresh), layout, WIDE.regions[1]), torch.no_grad():
        output = fresh.model(**inputs, output_attentions=True)
    assert fresh.decoder.config._attn_implementation == "eager"
    torch.testing.assert_close(output.logits[0, -1], alone(fresh, WIDE, SHORT, 1), atol=1e-3, rtol=0)
    rows = oracle.steered_rows(fresh.model, inputs, heads_of(fresh), owned, others, 10.0)
    handed = torch.stack([weights[0, :, -1] for weights in output.attentions])
    torch.testing.assert_close(handed.double(), rows[:, :, 0], atol=1e-4, rtol=0)


def test_eager_attention_is_watched(fresh: VLM) -> None:
    inputs, layout = fresh.prepare(WIDE, SHORT)
    rows = oracle.attention_rows(fresh.model, inputs)
    fresh.model.set_attn_implementation("eager")
    keeper = RowKeeper({1: [2]}, layout.length)
    with fresh.watching(keeper), torch.no_grad():
        fresh.model(**inputs)
    torch.testing.assert_close(keeper.steps[0][1][0, 0], rows[1, 2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("block", ["steered", "watching"])
def test_another_attention_function_set_inside_is_an_error_at_the_next_pass(fresh: VLM, block: str) -> None:
    inputs, layout = fresh.prepare(WIDE, SHORT)
    entered = (
        fresh.steered(heads_of(fresh), layout, WIDE.regions[1])
        if block == "steered"
        else fresh.watching(RowWatcher())
    )

    def set_and_run() -> None:
        with entered:
            fresh.model.set_attn_implementation("eager")
            fresh.model(**inputs)

    with pytest.raises(ModelError, match="computes attention") as caught:
        set_and_run()
    assert caught.value.hint == "call set_attn_implementation before the block, not inside"


def test_a_replaced_attention_module_is_an_error(fresh: VLM) -> None:
    inputs, layout = fresh.prepare(WIDE, SHORT)
    layer = fresh.decoder.layers[1]
    layer.self_attn = copy.deepcopy(layer.self_attn)
    del layer.self_attn.gaze_state
    with (
        pytest.raises(ModelError, match="layer 1 computes"),
        fresh.steered([(1, 0)], layout, WIDE.regions[1]),
    ):
        fresh.model(**inputs)
    with fresh.steered([(0, 0)], layout, WIDE.regions[1]):  # this layer is as it was
        fresh.model(**inputs)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_model_in_a_peft_wrapper_is_steered(fresh: VLM) -> None:
    peft = pytest.importorskip("peft")
    inputs, layout = fresh.prepare(WIDE, SHORT)
    expected = alone(fresh, WIDE, SHORT, 1)
    wrapped = peft.get_peft_model(fresh.model, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    fresh.forget_positions()
    with fresh.steered(heads_of(fresh), layout, WIDE.regions[1]), torch.no_grad():
        got = wrapped(**inputs).logits[0, -1].float()
        wrapped.generate(**inputs, max_new_tokens=2)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)  # fresh adapters change nothing


@pytest.mark.slow
@pytest.mark.parametrize("before", [False, True])
def test_a_compiled_model_is_steered_too(fresh: VLM, before: bool) -> None:
    inputs, layout = fresh.prepare(WIDE, SHORT)
    expected = alone(fresh, WIDE, SHORT, 1)
    compiled = torch.compile(fresh.model, backend="eager")
    with torch.no_grad():
        if before:
            fresh.forget_positions()
            compiled(**inputs)
        fresh.forget_positions()
        with fresh.steered(heads_of(fresh), layout, WIDE.regions[1]):
            got = compiled(**inputs).logits[0, -1].float()
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)


def test_a_block_in_which_nothing_ran_is_an_error(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    with (
        pytest.raises(SteeringError, match="nothing was steered"),
        vlm.steered([(0, 0)], layout, WIDE.regions[1]),
    ):
        pass


def test_an_exception_inside_the_block_is_not_hidden(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    _, layout = vlm.prepare(WIDE, SHORT)
    with pytest.raises(ZeroDivisionError), vlm.steered([(0, 0)], layout, WIDE.regions[1]):
        _ = 1 / 0
    assert vlm.state.is_idle
    assert vlm.state.owner is None


def test_a_model_in_two_threads_at_once_is_an_error(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    inputs, layout = vlm.prepare(WIDE, SHORT)
    failures: list[Exception] = []

    def elsewhere(call: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                call()
            except ModelError as failure:
                failures.append(failure)

        thread = Thread(target=guarded)
        thread.start()
        thread.join()

    def steer_too() -> None:
        with vlm.steered([(0, 0)], layout, WIDE.regions[0]):
            vlm.model(**inputs)

    with vlm.steered([(0, 0)], layout, WIDE.regions[1]), torch.no_grad():
        elsewhere(steer_too)
        elsewhere(lambda: vlm.model(**inputs))
        vlm.model(**inputs)
    assert [failure.code for failure in failures] == ["model.busy"] * 2  # type: ignore[attr-defined]
    elsewhere(steer_too)
    assert len(failures) == 2


def test_heads_come_as_pairs_of_any_integers(vlm_of: Callable[[str], VLM]) -> None:
    vlm = vlm_of("qwen2_vl")
    array = np.array([[0, 1], [1, 3]])
    for heads in ([(0, 1), (1, 3)], array, torch.tensor(array), [(np.int64(0), 1), [1, np.uint8(3)]]):
        assert vlm.check_heads(heads) == {0: [1], 1: [3]}
    for heads in ("0.1,1.3", " 0.1, 1.3 ", ["0.1", "1.3"], ("0.1,1.3", (0, 1)), map(tuple, array)):
        assert vlm.heads_among(heads) == [(0, 1), (1, 3)]
    for heads in (Head(1, 3), (1, 3), [1, np.int64(3)], array[1], "1.3", ["1.3"]):
        assert vlm.heads_among(heads) == [(1, 3)]
    for wrong in ([3, 4, 5], np.array([[0.5, 1.0]]), 7, np.eye(2, dtype=bool), torch.eye(2) > 0):
        with pytest.raises(HeadSetError, match="pairs"):
            vlm.check_heads(wrong)  # type: ignore[arg-type]
    for name in ("a.b", ["a.b"], "sha256:12ab", Path("heads.safetensors")):
        with pytest.raises(HeadSetError, match=r"layer\.head"):
            vlm.heads_among(name)
    for none in ([], "", " "):
        with pytest.raises(UsageError, match="no heads"):
            vlm.check_heads(none)
    with pytest.raises(UsageError, match="twice"):
        vlm.heads_among("0.1,0.1")
