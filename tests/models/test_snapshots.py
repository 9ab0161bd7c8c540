"""Models of the Hub: what is not here is fetched, what is only partly here is completed, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from gazecli.errors import ModelError
from gazecli.models.checkpoint import find_checkpoint
from gazecli.models.load import load
from tests.cli.conftest import gaze_here
from tests.fixtures.folder_kinds import INDEX, SHARDS, sharded
from tests.fixtures.hub_server import Hub

NAME = "someone/Small-VL"


@pytest.fixture(autouse=True)
def published(hub: Hub, checkpoint: Callable[[str], Path], tmp_path: Path) -> dict[str, bytes]:
    """The files of a sharded model on the Hub, with the weights once more in three other layouts."""
    folder = shutil.copytree(checkpoint("qwen2_vl"), tmp_path / "published")
    sharded(folder)
    files = dict(hub.add(NAME, folder).files)
    useless = ("consolidated.safetensors", "original/model.safetensors", "small.gguf", "pytorch_model.bin")
    hub.add(NAME, files | dict.fromkeys(useless, b"weights again"))
    return files


@pytest.fixture(autouse=True)
def home(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps what it fetches from the Hub."""
    hub.use_here(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


def only_here(hub: Hub, home: Path, files: dict[str, bytes], kept: list[str]) -> Path:
    """A snapshot that holds `kept` alone and of which nothing else is known, as git or a copy leaves it."""
    commit = hub.repositories["models", NAME].commit
    model = home / "hub" / f"models--{NAME.replace('/', '--')}"
    folder = model / "snapshots" / commit
    folder.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    for name in kept:
        (folder / name).write_bytes(files[name])
    return folder


def test_what_transformers_reads_is_fetched_and_no_weights_twice(
    hub: Hub, published: dict[str, bytes]
) -> None:
    told: list[tuple[int, int]] = []
    found = find_checkpoint(NAME, progress=lambda done, total: told.append((done, total)))
    assert {path.name for path in found.folder.iterdir()} == set(published)
    assert found.revision == hub.repositories["models", NAME].commit
    size = sum(map(len, published.values()))
    assert told[-1] == (size, size)
    hub.asked.clear()
    assert load(NAME, device="cpu").layers == 3
    assert hub.asked == []  # all is here, so nobody is asked


PARTS = {
    "config only": lambda name: name == "config.json",
    "some shards": lambda name: name != SHARDS[1],
    "no index": lambda name: name != INDEX,
    "no tokenizer": lambda name: "token" not in name,
    "no picture processor": lambda name: "processor" not in name,
    "no config": lambda name: name != "config.json",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_partial_snapshot_is_completed_by_what_it_lacks(
    hub: Hub, home: Path, published: dict[str, bytes], part: str
) -> None:
    kept = [name for name in published if PARTS[part](name)]
    folder = only_here(hub, home, published, kept)
    whole = find_checkpoint(NAME)
    assert whole.folder == folder
    assert {path.name for path in folder.iterdir()} == set(published)


@pytest.mark.parametrize("part", PARTS)
def test_without_a_network_every_partial_snapshot_is_the_same_clear_error(
    hub: Hub, home: Path, published: dict[str, bytes], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_here(hub, home, published, [name for name in published if PARTS[part](name)])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot be fetched") as caught:
        load(NAME, device="cpu")
    assert caught.value.code == "model.absent"
    assert caught.value.subject == NAME
    assert caught.value.hint == f"with a network: hf download {NAME}"


def test_an_interrupted_download_is_taken_up(hub: Hub) -> None:
    hub.unreachable.add(SHARDS[1])
    with pytest.raises(ModelError, match="only a part of this model is on this machine, a shard"):
        find_checkpoint(NAME)
    hub.unreachable.clear()
    hub.sent.clear()
    assert load(NAME, device="cpu").layers == 3
    assert set(hub.sent) == {SHARDS[1]}


def test_a_snapshot_that_lacks_only_what_is_not_needed_is_used_without_a_network(
    hub: Hub, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, {**published, "notes.txt": b"of the training"})
    (find_checkpoint(NAME).folder / "notes.txt").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load(NAME, device="cpu").layers == 3


def test_a_model_of_which_there_is_no_more_on_the_hub_is_told_what_it_lacks(
    hub: Hub, published: dict[str, bytes]
) -> None:
    hub.add(NAME, {name: data for name, data in published.items() if "token" not in name})
    with pytest.raises(ModelError, match="the tokenizer's files are missing"):
        load(NAME, device="cpu")


def test_a_model_that_the_hub_does_not_have_is_told_so() -> None:
    with pytest.raises(ModelError, match="not on this machine and cannot be fetched") as caught:
        find_checkpoint("someone/Else")
    assert caught.value.code == "model.absent"


def test_the_weights_in_another_layout_do_not_change_what_a_checkpoint_is() -> None:
    found = find_checkpoint(NAME)
    before = found.digest()
    (found.folder / "consolidated.safetensors").write_bytes(b"weights again")
    assert find_checkpoint(NAME).digest() == before


def test_a_repository_that_is_an_adapter_is_told_so_with_and_without_a_network(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = b'{"base_model_name_or_path": "Qwen/Qwen2-VL-7B-Instruct"}'
    hub.add("someone/Lora", {"adapter_config.json": settings, "adapter_model.safetensors": b"weights"})
    with pytest.raises(ModelError, match="this repository is an adapter, trained on Qwen/Qwen2-VL-7B"):
        load("someone/Lora", device="cpu")
    assert set(hub.sent) <= {"adapter_config.json"}
    snapshot_download("someone/Lora")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="this folder is an adapter, trained on Qwen/Qwen2-VL-7B"):
        load("someone/Lora", device="cpu")


CARD = b"---\nlibrary_name: mlx\n---\n"
QUANTISED = b'{"model_type": "qwen2_vl", "quantization": {"bits": 4}}'
# Files of a repository, what is said of it, the step, and what had to be fetched to say it.
LISTED: dict[str, tuple[dict[str, bytes], str, str, set[str]]] = {
    "GGUF": (
        {"README.md": b"", "model-Q4_K_M.gguf": b"weights", "mmproj-f16.gguf": b"weights"},
        "GGUF weights",
        "repository they were made from",
        set(),
    ),
    "GGUF with settings": (
        {"config.json": b"{}", "model.gguf": b"weights"},
        "GGUF weights",
        "repository they were made from",
        set(),
    ),
    "MLX by its card": (
        {"README.md": CARD, "config.json": b"{}", "model.safetensors": b"weights"},
        "layout of MLX",
        "weights of PyTorch",
        set(),
    ),
    "MLX by its settings": (
        {"config.json": QUANTISED, "model.safetensors": b"weights"},
        "layout of MLX",
        "weights of PyTorch",
        {"config.json"},
    ),
    "MLX of NumPy": ({"config.json": b"{}", "weights.npz": b"weights"}, "layout of MLX", "PyTorch", set()),
    "Meta's original layout": (
        {"original/params.json": b"{}", "original/consolidated.00.pth": b"weights", "USE_POLICY.md": b""},
        "only the original layout",
        "config.json and model*.safetensors",
        set(),
    ),
    "Mistral's own layout": (
        {"params.json": b"{}", "consolidated.safetensors": b"weights", "tekken.json": b"{}"},
        "Mistral's own layout",
        "config.json and model*.safetensors",
        set(),
    ),
    "an adapter": (
        {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"},
        "this repository is an adapter",
        "hf download someone/Thing --local-dir FOLDER",
        {"adapter_config.json"},
    ),
    "a pipeline": ({"model_index.json": b"{}"}, "pipeline of diffusers", "vision-language model", set()),
    "a training": (
        {"checkpoint-500/model.safetensors": b"weights", "checkpoint-1000/model.safetensors": b"weights"},
        "this repository holds checkpoints of a training",
        "the last is checkpoint-1000",
        set(),
    ),
    "pickled weights": (
        {"config.json": b"{}", "pytorch_model.bin": b"weights"},
        "only pickled weights",
        "save_pretrained",
        {"config.json"},
    ),
    "no weights": ({"config.json": b"{}"}, "no safetensors weights", "choose a repository", {"config.json"}),
}


@pytest.mark.parametrize("kind", LISTED)
def test_a_repository_that_is_no_model_is_told_before_its_weights_are_fetched(hub: Hub, kind: str) -> None:
    files, said, step, fetched = LISTED[kind]
    hub.add("someone/Thing", files)
    with pytest.raises(ModelError) as caught:
        find_checkpoint("someone/Thing")
    assert said in caught.value.message
    assert step in str(caught.value.hint)
    assert caught.value.subject == "someone/Thing"
    assert {name for name, size in hub.sent.items() if size} <= fetched


def test_a_model_is_on_this_machine_when_all_of_it_is(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.repositories["models", "Qwen/Qwen2-VL-7B-Instruct"] = hub.repositories["models", NAME]

    def here() -> bool:
        models = gaze_here(capfd, "models", "--json").document("models")["models"]
        return {model["alias"]: bool(model["on_this_machine"]) for model in models}["qwen2-vl-7b"]

    assert not here()
    folder = find_checkpoint("qwen2-vl-7b").folder
    assert here()
    (folder / SHARDS[1]).unlink()
    assert not here()
