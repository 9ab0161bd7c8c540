"""What a checkpoint's files store of a training does not reach the prompts: truncation, padding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.models.inference.shared_prefix import ask
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from tests.conftest import noise_picture

FAMILIES = ("qwen2_vl", "llava", "internvl", "gemma3", "idefics3")
TRUNCATION = {"direction": "Right", "max_length": 24, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 4096},
    "direction": "Left",
    "pad_to_multiple_of": 64,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "<pad>",
}
CONFIG = {
    "max_length": 24,
    "stride": 0,
    "pad_to_multiple_of": 64,
    "padding": "max_length",
    "truncation": True,
    "truncation_side": "left",
    "truncation_strategy": "longest_first",
}
LONG = "Look at every panel of this comic strip, one after the other, and say what is happening there. " * 4


def changed_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("stored", ["tokenizer.json", "tokenizer_config.json", "both"])
@pytest.mark.parametrize("family", FAMILIES)
def test_stored_bounds_change_no_prompt(
    checkpoint: Callable[[str], Path], vlm_of: Callable[[str], VLM], tmp_path: Path, family: str, stored: str
) -> None:
    folder = shutil.copytree(checkpoint(family), tmp_path / "tuned")
    if stored != "tokenizer_config.json":
        changed_json(folder / "tokenizer.json", truncation=TRUNCATION, padding=PADDING)
    if stored != "tokenizer.json":
        changed_json(folder / "tokenizer_config.json", **CONFIG)
    tuned, stock = load(str(folder), device="cpu"), vlm_of(family)
    picture = noise_picture(300, 100, 3)
    assert (
        tuned.prepare(picture, LONG)[0]["input_ids"].tolist()
        == stock.prepare(picture, LONG)[0]["input_ids"].tolist()
    )
    several = [f"{k}: {LONG}" for k in range(3)]
    assert ask(tuned, picture, several).ids == ask(stock, picture, several).ids
    assert tuned.tokenizer(LONG)["input_ids"] == stock.tokenizer(LONG)["input_ids"]
