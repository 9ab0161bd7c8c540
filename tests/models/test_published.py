"""Checkpoints with the metadata of published ones: loaded, checked and steered like any other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers.models.auto import tokenization_auto
from transformers.utils import is_torchvision_available

import gazecli as gaze
from gazecli.errors import ModelError, UsageError
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.checks.model_checks import check_attention, check_steering, check_writing
from gazecli.models.inference.shared_prefix import SEES_THE_QUESTION, ask, last_token_mass
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from tests import oracle
from tests.conftest import noise_picture, write_comics
from tests.fixtures.checkpoints_page import PAGE, cell, section, written
from tests.fixtures.perturbation import SIZES, check_token_map, dark_picture
from tests.fixtures.published import PUBLISHED, metadata, published_checkpoint

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NEEDING_TORCHVISION = ("lfm2.5-vl-1.6b", "molmo2-8b")
HERE = [name for name in PUBLISHED if is_torchvision_available() or name not in NEEDING_TORCHVISION]
SMEAR = {"llava-onevision-7b": 0.5}  # resized twice
QUICK = (300, 300)
SMALLEST = (37, 53)
SMALLEST_SMEAR = {"aya-vision-8b": 0.5}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with one of PUBLISHED, written once."""
    written: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in written:
            written[name] = published_checkpoint(name, tmp_path_factory.mktemp("published") / name)
        return written[name]

    return folder_of


@pytest.fixture(scope="module")
def loaded(published: Callable[[str], Path]) -> Callable[[str], VLM]:
    """One of PUBLISHED, loaded once."""
    models: dict[str, VLM] = {}

    def model_of(name: str) -> VLM:
        if name not in models:
            models[name] = load(str(published(name)), device="cpu", dtype="float32")
        return models[name]

    return model_of


def cases() -> list[Any]:
    return [
        pytest.param(name, size, marks=[] if size == QUICK else [pytest.mark.slow], id=f"{name}-{size}")
        for name in HERE
        for size in SIZES
    ]


@pytest.mark.parametrize(("name", "size"), cases())
def test_every_token_of_a_published_model_looks_where_its_box_says(
    loaded: Callable[[str], VLM], name: str, size: tuple[int, int]
) -> None:
    vlm = loaded(name)

    def prepare(image: Image.Image) -> tuple[Any, torch.Tensor, torch.Tensor]:
        inputs, layout = vlm.prepare(Picture.from_image(image), "What is this?", squash=False)
        vlm.forget_positions()
        return inputs, layout.positions, layout.boxes

    smear = (SMALLEST_SMEAR if size == SMALLEST else SMEAR).get(name, 0.25)
    assert check_token_map(vlm.model, prepare, dark_picture(*size), smear=smear, tries=3) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_a_published_model_is_discovered_steered_switched_and_tracked(
    loaded: Callable[[str], VLM], name: str, tmp_path: Path
) -> None:
    vlm, strip = loaded(name), noise_picture(240, 80, 3)
    checks = [check_steering, check_attention]
    if vlm.family not in SEES_THE_QUESTION:
        checks.append(check_writing)
    assert all(check(vlm, strip).holds for check in checks)
    prompts = panel_prompts(DISCOVERY_PROMPT, 3)
    questions = ask(vlm, strip, prompts)
    fast = last_token_mass(vlm, [questions], [questions.layout.membership(strip.regions)])
    asked = [vlm.prepare(strip, prompt) for prompt in prompts]
    vlm.forget_positions()
    plain = oracle.discover(
        vlm.model,
        [
            [
                (
                    inputs,
                    [*(layout.tokens(r).tolist() for r in strip.regions), layout.positions.tolist()],
                )
                for inputs, layout in asked
            ]
        ],
    )
    for layer, mass in fast.items():
        np.testing.assert_allclose(mass[0].transpose(0, 1).numpy(), plain[layer], atol=1e-4, rtol=0)
    headset = gaze.discover(vlm, write_comics(tmp_path / "comics", 2, 3), panels=3, height=64)
    heads, targets = headset.top(3), [strip.regions[0], strip.regions[2]]
    steering = gaze.steer_regions(vlm, strip, targets, heads, gaze.SteerSettings(max_new_tokens=3))
    for answer in steering.answers:
        assert answer.attention_steered > answer.attention_baseline
    narration = gaze.switch(vlm, strip, targets, heads, at=[0, 3], scope="full", max_new_tokens=6)
    assert [segment.region.number for segment in narration.segments] == [1, 3]
    assert gaze.track(vlm, strip, heads, max_new_tokens=4).tokens <= 4


def row(name: str, vlm: VLM) -> str:
    """What the page tells of one: its files, its published size, and what it makes of a strip."""
    kept = metadata(name)
    read = [
        file.removesuffix(".json") for file, source in kept["sources"].items() if source.startswith("read")
    ]
    text = kept["files"]["config.json"]["text_config"]
    heads = text.get("num_attention_heads", vlm.heads)
    size = f"{vlm.family}, {text['num_hidden_layers']} layers of {heads} heads"
    tokens = len(vlm.prepare(noise_picture(600, 200, 3), "What is this?")[1].positions)
    files = f"{', '.join(read)} at least in part" if read else "none: from memory"
    return f"| {name} | {kept['id']} | {size} | {cell(files)} | {tokens} |\n"


def test_the_page_tells_of_every_published_model(
    loaded: Callable[[str], VLM], pytestconfig: pytest.Config
) -> None:
    lines = section(PAGE.read_text(encoding="utf-8"), "published")[1].splitlines(keepends=True)
    standing = {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}
    rows = standing | {name: row(name, loaded(name)) for name in HERE}
    head = "| model | its name on the Hub | what it is | files that were read | image tokens |\n"
    table = f"{head}| --- | --- | --- | --- | --- |\n{''.join(rows[name] for name in PUBLISHED)}"
    if pytestconfig.getoption("--write-checkpoints-page"):
        written("published", table)
    assert section(PAGE.read_text(encoding="utf-8"), "published")[1] == table


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_kept_of_a_published_model_says_whether_it_was_read(name: str) -> None:
    kept = metadata(name)
    described = {file for file in kept["files"] if file.startswith(("config", "preprocessor", "tokenizer"))}
    assert described <= set(kept["sources"])
    for source in kept["sources"].values():
        assert source.startswith(("read: ", "memory", "it has none"))


@pytest.mark.parametrize("name", ["mistral-small-3.1", "janus-pro-1b"])
def test_a_published_head_that_the_configuration_forgets_is_not_tied_to_the_embeddings(
    loaded: Callable[[str], VLM], published: Callable[[str], Path], name: str
) -> None:
    weights = load_file(published(name) / "model.safetensors")
    [head] = [weight for key, weight in weights.items() if key.endswith("lm_head.weight")]
    assert torch.equal(loaded(name).model.get_output_embeddings().weight, head)


def test_a_template_that_tells_the_day_tells_the_same_one_every_day(loaded: Callable[[str], VLM]) -> None:
    vlm = loaded("mistral-small-3.1")
    template = str(vlm.processor.chat_template)
    assert "strftime_now('%Y-%m-%d')" in template
    assert vlm.preparation.prompt("Who?") == (
        "<s>[SYSTEM_PROMPT]2026-01-01[/SYSTEM_PROMPT][INST][IMG]Who?[/INST]"
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("{{ strftime_now('%d %b %Y') }}", "01 Jan 2026"),
        ("{% set day = strftime_now('%d') | int %}{{ day + 1 }}", "2"),
        (
            "{% if strftime_now is defined %}{{ strftime_now('%A, %-d %B %y') }}{% endif %}",
            "Thursday, 1 January 26",
        ),
    ],
)
def test_the_day_is_told_in_every_form(
    published: Callable[[str], Path], tmp_path: Path, asked: str, told: str
) -> None:
    folder = copied(published("pixtral-12b"), tmp_path / "dated")
    (folder / "chat_template.jinja").write_text(asked + (folder / "chat_template.jinja").read_text())
    prompt = load(str(folder), device="cpu").preparation.prompt("Who?")
    assert prompt == f"{told}<s>[INST][IMG]Who?[/INST]"


def test_of_several_templates_the_one_for_chats_is_used(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(published("aya-vision-8b"), tmp_path / "several")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = [
        {"name": "tool_use", "template": "no place for pictures"},
        {"name": "default", "template": template},
    ]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    vlm = load(str(folder), device="cpu")
    assert vlm.template is None
    assert vlm.preparation.prompt("Who?").startswith(
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|><image>"
    )


def test_turns_that_a_template_does_not_take_are_told(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(published("pixtral-12b"), tmp_path / "strict")
    template = (folder / "chat_template.jinja").read_text()
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refusal + template)
    vlm = load(str(folder), device="cpu")
    vlm.preparation.prompt("Who?")
    with pytest.raises(UsageError, match="takes no system prompt"):
        vlm.preparation.prompt("Who?", system="Be brief.")
    (folder / "chat_template.jinja").write_text("{{ 'USER: ' + messages[0]['content'] }}")
    with pytest.raises(ModelError, match="takes no picture and question"):
        load(str(folder), device="cpu").preparation.prompt("Who?")


def test_mistrals_own_tokenizer_beside_the_one_of_transformers_is_left_alone(
    published: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(published("mistral-small-3.1"), tmp_path / "both")
    (folder / "tekken.json").write_text("{}")
    # As where mistral-common is installed, whose tokenizer has no placeholders.
    monkeypatch.setattr(
        "transformers.integrations.mistral.tokenizer.is_mistral_common_available", lambda: True
    )
    monkeypatch.setitem(tokenization_auto.TOKENIZER_MAPPING_NAMES, "mistral3", "MistralCommonBackend")
    vlm = load(str(folder), device="cpu")
    assert len(vlm.prepare(noise_picture(300, 100, 3), "Who?")[1].positions) > 0


def test_a_tokenizer_that_only_sentencepiece_reads_asks_for_it(
    published: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(published("paligemma2-3b"), tmp_path / "pieces")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x0e\x0a\x05<pad>\x15\x00\x00\x00\x00\x18\x03")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ModelError, match="processor of this checkpoint cannot be loaded") as caught:
        load(str(folder), device="cpu")
    assert str(caught.value.hint).startswith("pip install sentencepiece")


def test_a_processor_whose_own_code_needs_a_package_names_it(
    published: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = copied(published("pixtral-12b"), tmp_path / "own")
    own = {"processor_class": "OwnProcessor", "auto_map": {"AutoProcessor": "processing_own.OwnProcessor"}}
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), **own}))
    (folder / "processing_own.py").write_text("import a_package_of_nobody\n")
    with pytest.raises(ModelError, match=r"needs a package that is not here .*a_package_of_nobody"):
        load(str(folder), device="cpu", trust_remote_code=True)


def test_an_end_that_the_model_cannot_write_does_no_harm(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(published("pixtral-12b"), tmp_path / "ends")
    settings = json.loads((folder / "generation_config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    beyond = config["text_config"]["vocab_size"] + 5
    (folder / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [2, beyond]}))
    vlm = load(str(folder), device="cpu")
    assert vlm.end_tokens() == {2}
    strip = noise_picture(240, 80, 3)
    narration = gaze.switch(vlm, strip, [1, 2], [(0, 0)], at=[0, 2], require_effect=False)
    assert narration.tokens == len(narration.pieces)


def test_a_processor_without_a_token_map_is_refused_before_weights_are_read(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(published("pixtral-12b"), tmp_path / "unmapped")
    for name in ("processor_config.json", "preprocessor_config.json"):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, "processor_class": "Blip2Processor"}))
    (folder / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match="no token map is known for its processor Blip2Processor"):
        load(str(folder), device="cpu")


def copied(stock: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in stock.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder
