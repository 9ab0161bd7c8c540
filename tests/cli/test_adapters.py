"""A model with an adapter is a model of its own: merged by peft, digested with it, found again."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from gazecli.errors import ModelError
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.checks.last_token import in_one_pass
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from tests.cli.conftest import Gaze
from tests.conftest import noise_picture, write_comics

# peft asks transformers for it by its older name.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

WEIGHTS = "adapter_model.safetensors"
STRIP = Path(__file__).parents[2] / "examples" / "strip.png"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of `tiny` with random weights in both of its matrices."""
    folder = tmp_path_factory.mktemp("adapters") / "my-lora"
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adapted = get_peft_model(load("tiny", device="cpu").model, settings)
    adapted.save_pretrained(folder)
    return folder


def changed(stock: Path, folder: Path, **settings: object) -> Path:
    shutil.copytree(stock, folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


def logits(vlm: VLM) -> torch.Tensor:
    return in_one_pass(vlm, vlm.prepare(noise_picture(168, 56, 3), "Who?")[0]).logits


def test_base_and_adapter_together_are_what_peft_makes_of_them(stock: Path) -> None:
    vlm = load(f"tiny+{stock}", device="cpu", dtype="float32")
    assert vlm.name == "tiny+my-lora"
    assert vlm.lasting_names()["id"] == f"qwen2_vl-{vlm.digest.removeprefix('sha256:')[:8]}"
    plain = load("tiny", device="cpu", dtype="float32")
    without = logits(plain)
    plain.model = PeftModel.from_pretrained(plain.model, str(stock)).merge_and_unload()
    torch.testing.assert_close(logits(vlm), logits(plain))
    assert (logits(vlm) - without).abs().max() > 0.1


def test_the_digest_covers_both_and_no_path(stock: Path, tmp_path: Path) -> None:
    digest = find_checkpoint(f"tiny+{stock}").digest()
    assert digest != find_checkpoint("tiny").digest()
    moved = changed(stock, tmp_path / "a+b" / "moved", base_model_name_or_path="/elsewhere/tiny")
    assert find_checkpoint(f"tiny+{moved}").digest() == digest
    stronger = changed(stock, tmp_path / "stronger", lora_alpha=64)
    assert find_checkpoint(f"tiny+{stronger}").digest() != digest
    other = changed(stock, tmp_path / "other")
    weights = load_file(other / WEIGHTS)
    save_file({name: 2 * weight for name, weight in weights.items()}, other / WEIGHTS, {"format": "pt"})
    assert find_checkpoint(f"tiny+{other}").digest() != digest


def test_an_adapter_that_does_not_fit_is_refused(
    stock: Path, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    older = changed(stock, tmp_path / "older")
    weights = load_file(older / WEIGHTS)
    renamed = {name.replace("language_model.", ""): weight for name, weight in weights.items()}
    assert renamed.keys() != weights.keys()
    save_file(renamed, older / WEIGHTS, {"format": "pt"})
    with pytest.raises(ModelError, match="do not fit together, first base_model"):
        load(f"tiny+{older}", device="cpu")
    with pytest.raises(ModelError, match=r"cannot be merged|do not fit together"):
        load(f"{checkpoint('qwen2_vl')}+{stock}", device="cpu")


@pytest.mark.parametrize(
    ("breaking", "said"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "this adapter has no weights"),
        (lambda folder: (folder / WEIGHTS).rename(folder / "adapter_model.bin"), "only pickled weights"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "this is not an adapter"),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), "adapter_config.json is broken"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"\xff" * 64), "cannot be merged"),
    ],
)
def test_a_broken_adapter_is_told(
    stock: Path, tmp_path: Path, breaking: Callable[[Path], object], said: str
) -> None:
    folder = changed(stock, tmp_path / "broken")
    breaking(folder)
    with pytest.raises(ModelError, match=said) as caught:
        load(f"tiny+{folder}", device="cpu")
    assert caught.value.subject == str(folder)


def test_without_peft_it_is_named(stock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match="loaded with peft, which is not installed") as caught:
        load(f"tiny+{stock}", device="cpu")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("pip install peft")


@pytest.mark.slow
def test_the_commands_find_and_steer_the_heads_of_both(gaze: Gaze, stock: Path, tmp_path: Path) -> None:
    comics = write_comics(tmp_path / "comics", 2, 3)
    call = ("--panels", 3, "--height", 56, "--json")
    plain = gaze("discover", "tiny", comics, *call).document("headset")
    both = gaze("discover", "tiny", comics, "--adapter", stock, *call).document("headset")
    assert both["model"]["digest"] == find_checkpoint(f"tiny+{stock}").digest()
    assert both["model"]["digest"] != plain["model"]["digest"]
    picture = comics / "comic-000"
    steer = ("steer", picture, "--region", 2, "--strength", "hard", "--max-new-tokens", 4, "--json")
    last = gaze(*steer).document("steer")  # the head set used last knows its adapter
    assert last["model"]["digest"] == both["model"]["digest"]
    alone = ("evaluate", "tiny", comics, "--judge", "none")
    other = gaze(*alone, "--adapter", stock)
    assert "this head set belongs to tiny, not to tiny+my-lora" in other.err
    named = gaze(*steer, "--model", "tiny", "--adapter", stock).document("steer")
    assert named["headset"] == both["digest"]
    assert gaze(*steer, "--model", "tiny").document("steer")["headset"] == plain["digest"]


def test_an_adapter_that_is_not_there_is_named_as_such(gaze: Gaze, tmp_path: Path) -> None:
    missing = tmp_path / "nope"
    refused = gaze("steer", STRIP, "--region", 1, "--model", "tiny", "--adapter", missing)
    assert (refused.code, refused.out) == (2, "")
    assert f"this is not an adapter, it has no adapter_config.json: {missing}" in refused.err
