"""The random checkpoints load as ordinary ones, and the oracle runs on every backbone among them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from tests import oracle
from tests.fixtures.checkpoints import FAMILIES, random_checkpoint

PROMPT = list(range(40, 40 + 130))  # longer than the sliding windows


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(request.param, tmp_path_factory.mktemp("checkpoint") / request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> torch.nn.Module:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def text_inputs(model: torch.nn.Module, ids: list[int]) -> dict[str, torch.Tensor]:
    inputs = {"input_ids": torch.tensor([ids])}
    if model.config.model_type in ("gemma3", "paligemma"):
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    return inputs


def test_the_tokenizer_knows_the_placeholder(folder: Path, model: torch.nn.Module) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    placeholder = tokenizer.convert_ids_to_tokens(model.config.image_token_id)
    assert tokenizer(placeholder, add_special_tokens=False)["input_ids"] == [model.config.image_token_id]
    sentence = "What is happening in the third panel from the left?"
    assert tokenizer.decode(tokenizer(sentence)["input_ids"], skip_special_tokens=True) == sentence
    assert len(tokenizer) <= model.get_input_embeddings().num_embeddings


def test_attention_is_neither_uniform_nor_one_hot(model: torch.nn.Module) -> None:
    rows = oracle.attention_rows(model, text_inputs(model, PROMPT))
    softmax = sorted(oracle.attention_layers(model))
    assert rows[softmax].isfinite().all()
    assert rows[[i for i in range(len(rows)) if i not in softmax]].isnan().all()
    assert 2 / len(PROMPT) < rows[softmax].amax(-1).median() < 0.95


def test_the_oracle_without_steering_is_the_model(model: torch.nn.Module) -> None:
    inputs = text_inputs(model, PROMPT)
    target, others = [5, 6, 7], [8, 9]
    with torch.no_grad():
        plain = model(**oracle.continued(model, inputs, [50, 51]), use_cache=False).logits[0]
    found = oracle.steered_logits(model, inputs, [], target, others, 6.0, continuation=[50, 51])
    torch.testing.assert_close(found, plain, atol=2e-4, rtol=1e-3)
    heads = [(layer, 1) for layer in oracle.attention_layers(model)]
    steered = oracle.steered_logits(model, inputs, heads, target, others, 6.0, continuation=[50, 51])
    assert (steered - plain).abs().max() > 1e-2


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        random_checkpoint("qwen2_vl", tmp_path / name, seed=seed)
    first, again, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "again", "other")
    )
    assert first == again
    assert first != other
