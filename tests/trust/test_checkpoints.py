"""Broken checkpoints: each is one line with a hint, whichever command meets it first."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.trust.conftest import Gaze, error_of

Breaking = Callable[[Path], object]


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.place,)


def only_pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(folder.parent / "sprung")))


def config_with(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def missing_shard(folder: Path) -> None:
    names = list(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    where = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def with_nan(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = sorted(tensors)[0]
    tensors[name].reshape(-1)[0] = np.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def escaping_shard(folder: Path) -> None:
    where = {"x": "../../elsewhere.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def foreign_tokenizer(folder: Path) -> None:
    """Every ordinary token has another model's number."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] = {word: 90_000 + at for word, at in content["model"]["vocab"].items()}
    path.write_text(json.dumps(content))


BROKEN: dict[str, Breaking] = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "an empty config": lambda folder: (folder / "config.json").write_text(""),
    "a list for a config": lambda folder: (folder / "config.json").write_text("[]"),
    "a config nested without end": lambda folder: (folder / "config.json").write_text("[" * 100_000),
    "a config of bytes": lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"),
    "no model type": lambda folder: config_with(folder, model_type=None),
    "a text model": lambda folder: config_with(folder, model_type="gpt2"),
    "an unknown model type": lambda folder: config_with(folder, model_type="no_such_model"),
    "cross-attention": lambda folder: config_with(folder, model_type="mllama"),
    "an encoder and a decoder": lambda folder: config_with(folder, is_encoder_decoder=True),
    "another model's sizes": lambda folder: config_with(
        folder, text_config={"hidden_size": 8, "num_attention_heads": 3}
    ),
    "its own code": lambda folder: config_with(
        folder, model_type="mine", auto_map={"AutoConfig": "configuration_mine.Mine"}
    ),
    "only pickled weights": only_pickled,
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "a missing shard": missing_shard,
    "a shard elsewhere": escaping_shard,
    "a broken index": lambda folder: (folder / "model.safetensors.index.json").write_text("{}"),
    "truncated weights": truncated,
    "empty weights": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "weights that are text": lambda folder: (folder / "model.safetensors").write_text("weights"),
    "a header without end": lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64),
    "NaN weights": with_nan,
    "no tokenizer": lambda folder: [path.unlink() for path in folder.glob("*token*")],
    "another model's tokenizer": foreign_tokenizer,
    "a broken tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"version": "1.0"}'),
    "a tokenizer that is a list": lambda folder: (folder / "tokenizer_config.json").write_text("[]"),
    "a broken picture processor": lambda folder: [
        path.write_text('{"image_processor_type": "Nothing"}')
        for path in (folder / "preprocessor_config.json", folder / "processor_config.json")
    ],
    "a processor that is a list": lambda folder: (folder / "processor_config.json").write_text("[1]"),
    "a processor that is no JSON": lambda folder: (folder / "processor_config.json").write_text("{"),
}


@pytest.fixture
def broken(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Callable[[str], Path]:
    def copy(kind: str) -> Path:
        folder = tmp_path / "checkpoint"
        shutil.copytree(checkpoint("qwen2_vl"), folder)
        BROKEN[kind](folder)
        return folder

    return copy


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_checkpoint_is_named_and_nothing_is_kept(
    gaze: Gaze, broken: Callable[[str], Path], comics: Path, own_cache: Path, tmp_path: Path, kind: str
) -> None:
    folder = broken(kind)
    error = error_of(gaze("discover", folder, comics, "--panels", 3, "--json"))
    assert error["code"].startswith("model."), error
    assert folder.name in error["subject"]
    assert not list(own_cache.rglob("*.safetensors"))
    assert not (tmp_path / "sprung").exists()


def test_doctor_says_what_is_broken_and_fails(gaze: Gaze, broken: Callable[[str], Path]) -> None:
    ran = gaze("doctor", broken("truncated weights"), "--json")
    assert ran.code == 1
    assert json.loads(ran.err.splitlines()[-1])["error"]["code"] == "doctor.failed"
    assert ran.document("doctor")["checks"][-1]["status"] == "failed"


def test_one_bad_strip_among_good_ones_is_skipped_with_its_reason(
    gaze: Gaze, comics: Path, checkpoint: Callable[[str], Path]
) -> None:
    whole = (comics / "comic-001" / "p2.png").read_bytes()
    (comics / "comic-001" / "p2.png").write_bytes(whole[: len(whole) // 2])
    (comics / "comic-002" / "p3.png").write_bytes(b"")
    ran = gaze("discover", checkpoint("qwen2_vl"), comics, "--panels", 3)
    document = ran.document("headset")
    assert document["comics"]["strips"] == 1
    reasons = {skip["path"]: skip["reason"] for skip in document["comics"]["skipped"]}
    assert set(reasons) == {"comic-002", "strip 1"}
    assert all(reasons.values())
    checked = gaze("comics", "check", comics, "--panels", 3).document("comics")
    assert {skip["path"] for skip in checked["skipped"]} == {"comic-001", "comic-002"}


def test_comics_in_which_every_strip_is_bad_are_refused(gaze: Gaze, comics: Path) -> None:
    for file in comics.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    assert error_of(gaze("discover", "tiny", comics, "--panels", 3, "--json"))["code"] == "comics.unusable"
    assert error_of(gaze("comics", "check", comics, "--panels", 3, "--json"))["code"] == "comics.unusable"
