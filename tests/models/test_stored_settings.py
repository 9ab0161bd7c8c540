"""What a checkpoint's text files store, or lost: truncation, padding, chat templates, another's tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gazecli.errors import ModelError, PictureError
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


def without_template(stock: Path, folder: Path) -> Path:
    shutil.copytree(stock, folder)
    for path in folder.glob("chat_template*"):
        path.unlink()
    for path in folder.glob("*config.json"):
        settings = json.loads(path.read_text())
        settings.pop("chat_template", None)
        path.write_text(json.dumps(settings))
    return folder


PUBLISHED = {
    "qwen2_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>Who?<|im_end|>\n<|im_start|>assistant\n",
    "qwen3_vl": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Who?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "internvl": "<|im_start|>user\n<IMG_CONTEXT>\nWho?<|im_end|>\n<|im_start|>assistant\n",
    "llava": "USER: <image>\nWho? ASSISTANT:",
    "gemma3": "<bos><start_of_turn>user\n<start_of_image>Who?<end_of_turn>\n<start_of_turn>model\n",
}


@pytest.mark.parametrize("family", PUBLISHED)
def test_without_a_chat_template_the_familys_published_one_is_used(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    vlm = load(str(without_template(checkpoint(family), tmp_path / "bare")), device="cpu")
    assert vlm.template == "family"
    assert vlm.preparation.prompt("Who?") == PUBLISHED[family]
    vlm.prepare(noise_picture(300, 100, 3), "Who?", "Be brief.")


def test_where_no_template_is_known_the_question_follows_the_picture(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    vlm = load(str(without_template(checkpoint("idefics3"), tmp_path / "bare")), device="cpu")
    assert vlm.template == "none"
    assert vlm.preparation.prompt("Who?") == "<image>\nWho?\n"


@pytest.mark.parametrize("family", ["qwen2_vl", "paligemma"])
def test_its_own_form_of_a_prompt_is_no_matter_for_a_note(vlm_of: Callable[[str], VLM], family: str) -> None:
    assert vlm_of(family).template is None


def test_a_processor_that_fails_on_every_picture_blames_no_picture(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint("idefics3"), tmp_path / "odd")
    [template] = folder.glob("chat_template*")
    template.write_text(template.read_text().replace("<image>", "<image><image>"))
    vlm = load(str(folder), device="cpu")
    with pytest.raises(ModelError, match="fails on every picture") as caught:
        vlm.prepare(noise_picture(300, 100, 3), "Who?")
    assert "chat template" in str(caught.value.hint)


def test_a_picture_that_alone_is_not_taken_is_to_blame(vlm_of: Callable[[str], VLM]) -> None:
    with pytest.raises(PictureError, match="does not take the picture"):
        vlm_of("qwen2_vl").prepare(noise_picture(1200, 4, 1), "Who?")


def test_discovery_refuses_a_tokenizer_of_another_model_as_the_doctor_does(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint("qwen2_vl"), tmp_path / "foreign")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())
    words = vocabulary["model"]["vocab"]
    vocabulary["model"]["vocab"] = {
        word: place + (90_000 if place > 300 else 0) for word, place in words.items()
    }
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary))
    vlm = load(str(folder), device="cpu")
    for check in (
        lambda: vlm.prepare(noise_picture(90, 30, 3), LONG),
        lambda: ask(vlm, noise_picture(90, 30, 3), [LONG]),
    ):
        with pytest.raises(ModelError, match=r"the tokenizer names token \d+, and this model knows \d+"):
            check()


@pytest.mark.parametrize("family", ["gemma3", "aya_vision", "mistral3"])
def test_a_prompt_begins_once(
    checkpoint: Callable[[str], Path], vlm_of: Callable[[str], VLM], tmp_path: Path, family: str
) -> None:
    """Published tokenizers add the token that their chat templates write as well."""
    folder = shutil.copytree(checkpoint(family), tmp_path / "adding")
    stock = vlm_of(family)
    begins = stock.tokenizer.bos_token
    assert stock.preparation.prompt("Who?").startswith(begins)
    single = [{"SpecialToken": {"id": begins, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    changed_json(
        folder / "tokenizer.json",
        post_processor={
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                begins: {"id": begins, "ids": [stock.tokenizer.bos_token_id], "tokens": [begins]},
            },
        },
    )
    adding = load(str(folder), device="cpu")
    assert adding.tokenizer("Who?")["input_ids"][0] == stock.tokenizer.bos_token_id
    picture, several = noise_picture(300, 100, 3), ["Who is it?", "Who is she, and where?"]
    assert ask(adding, picture, several).ids == ask(stock, picture, several).ids
    assert ask(adding, picture, several).ids[0].count(stock.tokenizer.bos_token_id) == 1
