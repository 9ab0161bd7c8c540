"""The oracle is checked before anything is compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from tests import oracle
from tests.fixtures.checkpoints import random_checkpoint
from tests.fixtures.perturbation import dark_picture

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
HEADS = [(0, 1), (1, 0), (1, 3), (2, 2)]


class Case:
    """One model, one picture, one question, built from the parts of the checkpoint by hand."""

    def __init__(self, folder: Path, layers: int | None = None) -> None:
        settings = {} if layers is None else {"num_hidden_layers": layers}
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        if settings:
            del self.model.model.language_model.layers[layers:]
            self.model.config.text_config.num_hidden_layers = layers
        tokenizer = AutoTokenizer.from_pretrained(folder)
        picture = AutoImageProcessor.from_pretrained(folder, backend="pil")(
            images=[dark_picture(336, 112)], return_tensors="pt"
        )
        count = int(picture["image_grid_thw"].prod()) // 4
        text = "<|vision_start|>" + "<|image_pad|>" * count + "<|vision_end|>What is happening here?"
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        is_image = ids == self.model.config.image_token_id
        self.inputs: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": is_image.int(),
            **picture,
        }
        self.image = is_image[0].nonzero().flatten().tolist()
        columns = int(picture["image_grid_thw"][0, 2]) // 2
        self.left = [t for i, t in enumerate(self.image) if i % columns < columns // 2]
        self.right = [t for t in self.image if t not in self.left]
        self.length = ids.shape[1]
        self.written = [40, 41, 42]

    def plain_logits(self, continuation: list[int]) -> torch.Tensor:
        with torch.no_grad():
            inputs = oracle.continued(self.model, self.inputs, continuation)
            return self.model(**inputs, use_cache=False).logits[0]

    def steered(self, heads: list[tuple[int, int]], strength: float, **settings: Any) -> torch.Tensor:
        return oracle.steered_logits(
            self.model,
            self.inputs,
            heads,
            self.left,
            self.right,
            strength,
            continuation=self.written,
            **settings,
        )


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(random_checkpoint(request.param, tmp_path_factory.mktemp(request.param)))


def test_rows_are_distributions_over_all_positions(case: Case) -> None:
    rows = oracle.attention_rows(case.model, case.inputs)
    assert rows.shape == (3, 4, case.length)
    assert (rows >= 0).all()
    torch.testing.assert_close(rows.sum(-1), torch.ones(3, 4))


def test_rows_are_not_uniform(case: Case) -> None:
    rows = oracle.attention_rows(case.model, case.inputs)
    assert (rows.amax(-1) > 2 / case.length).all()


def test_rows_are_those_transformers_returns(case: Case) -> None:
    with oracle.attention_implementation(case.model, "eager"), torch.no_grad():
        attentions = case.model(**case.inputs, output_attentions=True).attentions
    stock = torch.stack([a[0, :, -1] for a in attentions])
    torch.testing.assert_close(oracle.attention_rows(case.model, case.inputs), stock)


def test_the_models_own_attention_is_back_afterwards(case: Case) -> None:
    before = oracle.text_config(case.model)._attn_implementation
    oracle.attention_rows(case.model, case.inputs)
    case.steered(HEADS, 6.0)
    assert oracle.text_config(case.model)._attn_implementation == before == "sdpa"


def test_later_tokens_never_change_earlier_logits(case: Case) -> None:
    short = case.plain_logits([])
    for steered in (case.steered([], 6.0), case.plain_logits(case.written)):
        torch.testing.assert_close(steered[: case.length], short, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strength", [6.0, 10000.0])
def test_steering_no_heads_is_not_steering(case: Case, strength: float) -> None:
    torch.testing.assert_close(
        case.steered([], strength), case.plain_logits(case.written), atol=1e-4, rtol=1e-4
    )


def test_steering_with_no_strength_is_not_steering(case: Case) -> None:
    torch.testing.assert_close(case.steered(HEADS, 0.0), case.steered([], 1.0))


def test_hard_steering_moves_all_attention_to_the_target(case: Case) -> None:
    rows = oracle.steered_rows(case.model, case.inputs, HEADS, case.left, case.right, 10000.0)
    for layer, head in HEADS:
        torch.testing.assert_close(rows[layer, head, 0, case.left].sum(), torch.tensor(1.0).double())
    plain = oracle.attention_rows(case.model, case.inputs).double()
    # Nothing is steered before head 1 of layer 0, whose neighbours therefore stay as they were.
    torch.testing.assert_close(rows[0, 0, 0], plain[0, 0], atol=1e-5, rtol=1e-4)


def test_a_bias_multiplies_odds_by_its_exponential(case: Case) -> None:
    plain = oracle.attention_rows(case.model, case.inputs).double()[0, 1]
    expected = plain.clone()
    expected[case.left] *= np.exp(2.0)
    expected[case.right] *= np.exp(-2.0)
    steered = oracle.steered_rows(case.model, case.inputs, [(0, 1)], case.left, case.right, 2.0)[0, 1, 0]
    torch.testing.assert_close(steered, expected / expected.sum(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scope", ["full", "question", "answer", "decode"])
def test_a_scope_acts_from_its_first_query_on(case: Case, scope: oracle.Scope) -> None:
    plain, steered = case.plain_logits(case.written), case.steered(HEADS, 6.0, scope=scope)
    changed = ((plain - steered).abs().amax(-1) > 1e-3).nonzero().flatten()
    expected = {
        "full": case.image[0],  # before the picture there is nothing to redirect
        "question": case.image[-1] + 1,
        "answer": case.length - 1,
        "decode": case.length,
    }[scope]
    assert int(changed[0]) == expected
    assert len(changed) == len(plain) - expected


def test_modes_change_the_keys_they_name() -> None:
    def bias(mode: oracle.Mode) -> list[float]:
        return oracle.key_bias(7, 5, target=[1], others=[2, 3], strength=6.0, mode=mode).tolist()

    assert bias("boost-suppress") == [0, 6, -6, -6, 0, 0, 0]
    assert bias("suppress-image") == [0, 0, -6, -6, 0, 0, 0]
    assert bias("suppress-all") == [-6, 0, -6, -6, -6, 0, 0]
    assert bias("max-suppress-all") == [-6, 0, -6, -6, -6, -6, -6]


def test_scopes_select_the_queries_they_name() -> None:
    def queries(scope: oracle.Scope) -> list[int]:
        return oracle.steered_queries(7, 5, target=[1], others=[2], scope=scope).nonzero().flatten().tolist()

    assert queries("full") == [0, 1, 2, 3, 4, 5, 6]
    assert queries("question") == [3, 4, 5, 6]
    assert queries("answer") == [4, 5, 6]
    assert queries("decode") == [5, 6]


def test_discovery_sums_rows_over_regions_and_averages_over_strips(case: Case) -> None:
    question = (case.inputs, [case.left, case.right])
    rows = oracle.attention_rows(case.model, case.inputs).double().numpy()
    found = oracle.discover(case.model, [[question, question], [question, question]])
    assert found.shape == (3, 4, 2, 2)
    np.testing.assert_allclose(found[:, :, 1, 0], rows[..., case.left].sum(-1))
    np.testing.assert_allclose(found.sum(-1)[..., 0], rows[..., case.image].sum(-1))
    np.testing.assert_allclose(
        oracle.raw_score(found), (rows[..., case.left].sum(-1) + rows[..., case.right].sum(-1)) / 2
    )


def test_generation_without_steering_is_that_of_transformers(case: Case) -> None:
    generated = case.model.generate(**case.inputs, max_new_tokens=5, do_sample=False, eos_token_id=-1)
    written = oracle.steered_generate(
        case.model, case.inputs, [], case.left, case.right, 6.0, max_new_tokens=5
    )
    assert written == generated[0, case.length :].tolist()


def test_generation_is_greedy_in_the_steered_logits_and_stops(case: Case) -> None:
    arguments = (case.model, case.inputs, HEADS, case.left, case.right, 10.0)
    written = oracle.steered_generate(*arguments, max_new_tokens=4)
    logits = oracle.steered_logits(*arguments, continuation=written)
    assert logits[case.length - 1 : -1].argmax(-1).tolist() == written
    first = oracle.steered_generate(*arguments, max_new_tokens=4, stop=[written[0]])
    assert first == written[:1]


def test_one_layer_by_hand(tmp_path: Path) -> None:
    """Qwen2-VL of one layer: the steered logits, from the weights with matrix products alone."""
    case = Case(random_checkpoint("qwen2_vl", tmp_path), layers=1)
    model, layer = case.model, case.model.model.language_model.layers[0]
    inputs = oracle.continued(model, case.inputs, case.written)
    caught: dict[str, Any] = {}
    handle = layer.register_forward_pre_hook(
        lambda _m, args, kwargs: caught.update(x=args[0], rotary=kwargs["position_embeddings"]),
        with_kwargs=True,
    )
    with torch.no_grad():
        model(**inputs)
        handle.remove()
        x, (cos, sin) = caught["x"][0].double(), (r[0].double() for r in caught["rotary"])
        model.double()
        attention, normed = layer.self_attn, layer.input_layernorm(x)
        outputs = []
        for head in range(4):
            q, k, v = (
                projection(normed)[:, 16 * index : 16 * index + 16]
                for projection, index in (
                    (attention.q_proj, head),
                    (attention.k_proj, head // 2),
                    (attention.v_proj, head // 2),
                )
            )
            q, k = (y * cos + torch.cat([-y[:, 8:], y[:, :8]], -1) * sin for y in (q, k))
            scores = q @ k.T / 4
            if head in (1, 2):
                scores[case.length - 1 :, case.left] += 6
                scores[case.length - 1 :, case.right] -= 6
            future = torch.ones(scores.shape).triu(1).bool()
            outputs.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v)
        x = x + attention.o_proj(torch.cat(outputs, -1))
        x = x + layer.mlp(layer.post_attention_layernorm(x))
        expected = model.lm_head(model.model.language_model.norm(x))
        model.float()
    found = case.steered([(0, 1), (0, 2)], 6.0, scope="answer")
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
