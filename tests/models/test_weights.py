"""No model of which a weight is random is ever taken for its checkpoint's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gazecli.errors import ModelError
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from tests.fixtures.checkpoints import FAMILIES
from tests.fixtures.folder_kinds import sharded

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUICK = ("qwen2_vl", "gemma3")  # the second ties its embeddings
Weights = dict[str, torch.Tensor]
Change = Callable[[Weights], Mapping[str, torch.Tensor]]
EVERY = [pytest.param(f, marks=[] if f in QUICK else [pytest.mark.slow], id=f) for f in FAMILIES]
VISION = re.compile(r"visual|vision|embed_vision")


def changed(stock: Path, folder: Path, change: Change) -> Path:
    """A copy of a checkpoint with other weights."""
    shutil.copytree(stock, folder)
    weights = dict(change(load_file(folder / "model.safetensors")))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def without(pattern: str) -> Change:
    return lambda weights: {n: w for n, w in weights.items() if not re.search(pattern, n)}


def prefixed(prefix: str) -> Change:
    return lambda weights: {prefix + name: weight for name, weight in weights.items()}


def refused(folder: Path, **options: object) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(str(folder), dtype="float32", **({"device": "cpu"} | options))  # type: ignore[arg-type]
    assert caught.value.subject == folder.name
    return caught.value


@pytest.mark.parametrize("family", EVERY)
def test_a_weight_of_any_kind_that_is_missing_is_named(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    names = sorted(load_file(checkpoint(family) / "model.safetensors"))
    # One of every kind, as two last parts of a name tell it apart; what is a buffer may be missing.
    kinds = {".".join(name.split(".")[-2:]): name for name in names}
    vlm = load(str(checkpoint(family)), device="cpu", dtype="float32")
    parameters = {name.split(".")[-1] for name, _ in vlm.model.named_parameters()}
    for number, name in enumerate(each for each in kinds.values() if each.split(".")[-1] in parameters):
        folder = changed(checkpoint(family), tmp_path / str(number), without(f"^{re.escape(name)}$"))
        error = refused(folder)
        assert error.message.startswith("1 weight of this model is not in the checkpoint, "), name
        assert error.message.endswith(".".join(name.split(".")[-2:]))
        assert error.code == "model.weights"
        shutil.rmtree(folder)


@pytest.mark.parametrize("family", EVERY)
def test_a_model_without_its_vision_tower_is_refused(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    error = refused(changed(checkpoint(family), tmp_path / "blind", without(VISION.pattern)))
    assert re.match(
        r"\d+ weights of this model are not in the checkpoint, first .*(vision|visual)", error.message
    )
    assert re.match(r"nothing of .* is there: save or fetch the whole model", str(error.hint))


@pytest.mark.parametrize("family", EVERY)
def test_a_prefix_that_all_names_share_is_told(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    error = refused(changed(checkpoint(family), tmp_path / "peft", prefixed("base_model.model.")))
    assert "weights of this model are not in the checkpoint, first" in error.message
    assert error.hint == (
        "all their names begin with base_model.model. there; "
        "peft puts it there: save what `merge_and_unload()` returns"
    )


def test_missing_weights_come_in_the_models_order(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    cut = without(r"layers\.1\.self_attn\.[qkvo]_proj")
    error = refused(changed(checkpoint("llava"), tmp_path / "cut", cut))
    assert re.fullmatch(
        r"\d+ weights of this model are not in the checkpoint, "
        r"first model\.vision_tower\.\S*layers\.1\.self_attn\.k_proj\.weight",
        error.message,
    )


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (
            prefixed("wrapped.inside."),
            "begin with wrapped.inside. and are of no use: save the model without it",
        ),
        (prefixed("module."), "DataParallel puts it there"),
        (
            lambda w: {re.sub(r"q_proj\.", "q_proj.base_layer.", n): t for n, t in w.items()},
            "an adapter lies beside the weights there",
        ),
        (
            lambda w: {re.sub(r"mlp", "feed_forward", n): t for n, t in w.items()},
            "weights there are not of Qwen2VLForConditionalGeneration, first",
        ),
        (without("layers.1.mlp"), "nothing of model.language_model.layers.1.mlp is there"),
    ],
)
def test_the_likeliest_cause_is_the_hint(
    checkpoint: Callable[[str], Path], tmp_path: Path, change: Change, hint: str
) -> None:
    assert hint in str(refused(changed(checkpoint("qwen2_vl"), tmp_path / "odd", change)).hint)


def test_a_weight_of_another_shape_is_named_with_both(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    def narrower(weights: Weights) -> Weights:
        [name] = [name for name in weights if name.endswith("layers.1.self_attn.o_proj.weight")]
        return {**weights, name: weights[name][:, :8].contiguous()}

    error = refused(changed(checkpoint("qwen2_vl"), tmp_path / "narrow", narrower))
    assert re.fullmatch(
        r"1 weight of the checkpoint is not of the shape that this model has, "
        r"model\.language_model\.layers\.1\.self_attn\.o_proj\.weight \(\[64, 8\] instead of \[64, \d+\]\)",
        error.message,
    )
    assert error.hint is not None
    assert "config.json" in error.hint


@pytest.mark.parametrize(
    "options", [{}, {"device": None, "device_map": {"": "cpu"}}], ids=["plain", "spread"]
)
def test_shards_and_spread_models_are_judged_alike(
    checkpoint: Callable[[str], Path], tmp_path: Path, options: dict[str, object]
) -> None:
    stock = checkpoint("qwen3_vl")
    whole = shutil.copytree(stock, tmp_path / "whole")
    cut = changed(stock, tmp_path / "cut", without(r"visual\.merger"))
    for folder in (whole, cut):
        sharded(folder)
    given = {"device": "cpu"} | options
    assert load(str(whole), dtype="float32", **given).layers == 3  # type: ignore[arg-type]
    error = refused(cut, **options)
    assert "first model.visual.merger" in error.message


def test_weights_that_nobody_asked_for_are_counted_and_no_error(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    more = {f"mtp.layers.0.{k}": torch.zeros(2) for k in "ab"}
    folder = changed(checkpoint("qwen2_vl"), tmp_path / "more", lambda weights: weights | more)
    notes: list[str] = []
    vlm = load(str(folder), device="cpu", dtype="float32", note=notes.append)
    assert isinstance(vlm, VLM)
    assert notes == ["2 weights of the checkpoint are not used by this model, first mtp.layers.0.a"]
