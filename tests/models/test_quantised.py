"""Checkpoints with quantised weights: what transformers loads here is run, the others say what they need."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gazecli.api.machine import drawn_strip
from gazecli.errors import ModelError
from gazecli.models.checks.last_token import in_one_pass
from gazecli.models.checks.model_checks import self_check
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from tests.conftest import noise_picture
from tests.fixtures.folder_kinds import changed_weights, config_with
from tests.fixtures.quantised import compressed_tensors, fp8

Making = Callable[[Path, Path], Path]
FORMS: dict[str, Making] = {"fp8": fp8, "compressed-tensors": compressed_tensors}


@pytest.mark.parametrize("form", FORMS)
def test_weights_in_eight_bits_are_run_and_steered(
    checkpoint: Callable[[str], Path], vlm_of: Callable[[str], VLM], tmp_path: Path, form: str
) -> None:
    folder = FORMS[form](checkpoint("qwen2_vl"), tmp_path / form)
    vlm = load(str(folder), device="cpu", dtype="float32")
    assert vlm.quantised == form
    assert not any(found.holds is False for found in self_check(vlm, drawn_strip()))
    found, expected = (
        in_one_pass(each, each.prepare(noise_picture(300, 100, 3), "Who?")[0]).logits
        for each in (vlm, vlm_of("qwen2_vl"))
    )
    assert float(torch.corrcoef(torch.stack((found, expected)))[0, 1]) > 0.98


@pytest.mark.parametrize("form", FORMS)
def test_a_scale_that_is_missing_is_refused(
    checkpoint: Callable[[str], Path], tmp_path: Path, form: str
) -> None:
    folder = FORMS[form](checkpoint("qwen2_vl"), tmp_path / form)
    changed_weights(folder, lambda name: None if "layers.1.self_attn.q_proj.weight_scale" in name else name)
    with pytest.raises(ModelError, match=r"layers\.1\.self_attn\.q_proj\.weight") as caught:
        load(str(folder), device="cpu", dtype="float32")
    assert caught.value.code == "model.weights"


@pytest.mark.parametrize(
    ("method", "settings", "package"),
    [
        ("gptq", {"bits": 4, "group_size": 128}, "optimum"),
        ("awq", {"bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}, "gptqmodel"),
        ("bitsandbytes", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes"),
    ],
)
def test_what_a_form_needs_is_named(
    checkpoint: Callable[[str], Path], tmp_path: Path, method: str, settings: dict[str, object], package: str
) -> None:
    folder = shutil.copytree(checkpoint("qwen2_vl"), tmp_path / method)
    config_with(folder, quantization_config={"quant_method": method, **settings})
    with pytest.raises(ModelError, match=rf"its weights are quantised \({method}\)") as caught:
        load(str(folder), device="cpu")
    assert package in caught.value.message
    assert caught.value.hint == "install what that asks for, or use the unquantised model"
    assert caught.value.code == "model.quantised"
