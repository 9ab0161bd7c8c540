"""What a checkpoint folder is, where it is not what gaze loads: a table of kinds, a sentence and a step each.

Knows file names, config.json and the first bytes of weights. Nothing heavy is imported until a model's type
is looked up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gazecli.errors import ModelError

ENCODER_DECODERS = ("mllama", "florence2", "blip-2", "instructblip", "pix2struct", "kosmos-2", "git")
INDEX = "model.safetensors.index.json"
_LFS = b"version https://git-lfs.github.com/spec/"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_OTHER_SETTINGS = ("adapter_config.json", "model_index.json", "params.json")
_SHARD = re.compile(r"(.*-)\d{5}-of-(\d{5})\.safetensors")


@dataclass(frozen=True)
class Folder:
    """A folder that may be a checkpoint. `name` is what it was called, `id` its name on the Hub if any."""

    path: Path
    name: str
    id: str

    @cached_property
    def files(self) -> list[str]:
        """Names of what lies in the folder, files and folders alike."""
        return sorted(each.name for each in self.path.iterdir()) if self.path.is_dir() else []

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; {} where it cannot be read, which is refused elsewhere."""
        return self.json("config.json")

    @property
    def model_type(self) -> str:
        """The family that config.json names."""
        return str(self.config.get("model_type"))

    def json(self, name: str) -> dict[str, Any]:
        """A file's JSON object, {} where there is none."""
        return _object((self.path / name).read_bytes)

    def ending(self, *ends: str) -> list[str]:
        """Names of files that end so."""
        return [name for name in self.files if name.endswith(ends)]

    @cached_property
    def weights(self) -> list[str]:
        """The safetensors files that are a model's own weights, in the layout of transformers."""
        return own_weights(self.ending(".safetensors"))

    @cached_property
    def is_text_only(self) -> bool:
        """Whether config.json names a language model without a vision tower."""
        from transformers.models.auto import modeling_auto as auto

        kind, own_code = self.model_type, "auto_map" in self.config
        return (
            not own_code
            and kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
            and kind not in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        )

    def starts(self, name: str, size: int) -> bytes:
        """The first bytes of a file."""
        with (self.path / name).open("rb") as file:
            return file.read(size)


@dataclass(frozen=True)
class Listing(Folder):
    """A repository of the Hub of which nothing is fetched: the paths of its files, and its library if told.

    read: the bytes of one file of settings; OSError where there is none, or no network.
    """

    names: Sequence[str] = ()
    library: str | None = None
    read: Callable[[str], bytes] = lambda name: b""

    @cached_property
    def files(self) -> list[str]:
        """As of a folder."""
        return sorted({name.partition("/")[0] for name in self.names})

    def json(self, name: str) -> dict[str, Any]:
        """A file's JSON object, {} where there is none."""
        return _object(lambda: self.read(name)) if name in self.names else {}


def _object(read: Callable[[], bytes]) -> dict[str, Any]:
    try:
        parsed = json.loads(read())
    except (OSError, ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def own_weights(names: list[str]) -> list[str]:
    """Of safetensors files, those that transformers reads for the model itself."""
    return [n for n in names if not n.startswith(("consolidated", "adapter_model"))]


@dataclass(frozen=True)
class Kind:
    """A kind of folder. `sign` is true, or the text that fills {0}, for a folder of this kind.

    `partial`: it is what an interrupted download leaves behind. `listed`: the list of a repository's files
    tells, so that nothing is fetched. `there`: the step for a repository, where it is another. `of_text`: a
    language model without a vision tower may be of this kind, and is whole.
    """

    name: str
    sign: Callable[[Folder], object]
    sentence: str
    step: str
    code: str = "model.unsupported"
    partial: bool = False
    listed: bool = False
    there: str | None = None
    of_text: bool = False


def _pointer(folder: Folder) -> str | None:
    suspects = folder.ending(".safetensors", ".bin", ".gguf", ".json", ".model")
    return next((name for name in suspects if _is_pointer(folder, name)), None)


def _is_pointer(folder: Folder, name: str) -> bool:
    path = folder.path / name
    return path.is_file() and path.stat().st_size < 1024 and folder.starts(name, len(_LFS)) == _LFS


def _base(folder: Folder) -> str:
    return str(folder.json("adapter_config.json").get("base_model_name_or_path") or "another model")


def _mlx(folder: Folder) -> bool:
    if isinstance(folder, Listing) and folder.library == "mlx":
        return True
    if "weights.npz" in folder.files and not folder.weights:
        return True
    if "quantization" in folder.config and "quantization_config" not in folder.config:
        return True
    # Weights of a repository are not fetched to look into them.
    first = folder.weights[0] if folder.weights and not isinstance(folder, Listing) else None
    return first is not None and b'"format":"mlx"' in folder.starts(first, 1 << 16).replace(b" ", b"")


def _original(folder: Folder) -> bool:
    """Whether only the layout is there in which Meta gives its models away."""
    shards = [name for name in folder.ending(".pth") if name.startswith("consolidated")]
    return not folder.weights and ("original" in folder.files or bool(shards))


def _trained(folder: Folder) -> str | None:
    inside = [name for name in folder.files if re.fullmatch(r"checkpoint-\d+", name)]
    return max(inside, key=lambda name: int(name.partition("-")[2])) if inside else None


def _cached(folder: Folder) -> str | None:
    if {"snapshots", "refs"} <= set(folder.files) and folder.path.name.startswith("models--"):
        return folder.path.name.removeprefix("models--").replace("--", "/")
    return None


def _no_writer(folder: Folder) -> bool:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto as auto

    kind, own_code = folder.model_type, "auto_map" in folder.config
    return (
        not own_code
        and kind in CONFIG_MAPPING
        and kind not in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    )


def _unknown(folder: Folder) -> str | None:
    from transformers import CONFIG_MAPPING, __version__

    kind, own_code = folder.model_type, "auto_map" in folder.config
    if own_code or "model_type" not in folder.config or kind in CONFIG_MAPPING:
        return None
    return f"{kind}, which transformers {__version__}"


def _weight_map(folder: Folder) -> dict[str, str] | None:
    """Which file holds which weight, as the index says; None where it does not."""
    where = folder.json(INDEX).get("weight_map")
    if not isinstance(where, dict) or any(Path(str(name)).name != name for name in where.values()):
        return None
    return where


def _missing_shard(folder: Folder) -> str | None:
    shards = {match[2]: match[1] for name in folder.weights if (match := _SHARD.fullmatch(name))}
    for total, stem in shards.items():
        for number in range(1, int(total) + 1):
            name = f"{stem}{number:05d}-of-{total}.safetensors"
            if name not in folder.files:
                return name
    named = set((_weight_map(folder) or {}).values())
    return min(named - set(folder.files), default=None)


def _without_index(folder: Folder) -> bool:
    return bool(folder.weights) and "model.safetensors" not in folder.files and INDEX not in folder.files


def _twin(folder: Folder) -> str:
    return f"{folder.id}-HF" if folder.id.startswith("OpenGVLab/") else "a name that ends in -HF"


_AGAIN = "fetch or copy the checkpoint again"

# The first that fits is told.
KINDS: tuple[Kind, ...] = (
    Kind(
        "a Git LFS pointer",
        _pointer,
        "{0} is a Git LFS pointer, the file itself was not fetched",
        "run `git lfs pull` in that folder, or fetch the model with `hf download`",
        "model.weights",
    ),
    Kind(
        "the Hub's cache folder of a model",
        _cached,
        "this is where the Hub's cache keeps a model, not the checkpoint itself",
        "give its name, {0}",
        "model.unknown",
    ),
    Kind(
        "a trainer's output folder",
        lambda f: None if "config.json" in f.files else _trained(f),
        "this folder holds checkpoints of a training and is none itself",
        "give one of them, the last is {0}",
        "model.unknown",
        listed=True,
        there="fetch one of them into a folder, and give that; the last is {0}",
    ),
    Kind(
        "a LoRA adapter",
        lambda f: "adapter_config.json" in f.files and not f.weights and _base(f),
        "this folder is an adapter, trained on {0}, and no whole model",
        "give that model, and this folder with --adapter; or save what merge_and_unload() of peft returns",
        listed=True,
        there="fetch it, `hf download ID --local-dir FOLDER`, and give that model with --adapter FOLDER",
    ),
    Kind(
        "a model and an adapter in one folder",
        lambda f: "adapter_config.json" in f.files,
        "this folder holds a model and an adapter, and it is not clear which of them is meant",
        "move the adapter_* files into a folder of their own; --adapter then loads them",
        listed=True,
        there="fetch it into a folder, and move the adapter_* files into one of their own for --adapter",
    ),
    Kind(
        "a diffusers pipeline",
        lambda f: "model_index.json" in f.files and "config.json" not in f.files,
        "this is a pipeline of diffusers, which makes pictures and does not describe them",
        "choose a vision-language model: see `gaze models`",
        listed=True,
    ),
    Kind(
        "GGUF",
        lambda f: f.ending(".gguf") and not f.weights,
        "these are GGUF weights, made for llama.cpp",
        "use the repository they were made from, with safetensors weights",
        "model.weights",
        listed=True,
    ),
    Kind(
        "Meta's original layout",
        _original,
        "only the original layout of the weights is here, which transformers does not read",
        "take a copy that holds config.json and model*.safetensors",
        "model.weights",
        listed=True,
    ),
    Kind(
        "Mistral's own layout",
        lambda f: "params.json" in f.files and "config.json" not in f.files,
        "this is Mistral's own layout, without a config.json",
        "take a copy that holds config.json and model*.safetensors",
        listed=True,
    ),
    Kind(
        "MLX",
        _mlx,
        "these weights are in the layout of MLX, made for Apple's chips",
        "use the repository they were made from, with weights of PyTorch",
        "model.weights",
        listed=True,
    ),
    Kind(
        "the original LLaVA layout",
        lambda f: "mm_vision_tower" in f.config,
        "this is the original layout of LLaVA, which transformers does not read",
        "use the same model of llava-hf, such as llava-hf/llava-1.5-7b-hf",
    ),
    Kind(
        "OpenGVLab's own InternVL",
        lambda f: f.model_type == "internvl_chat" and _twin(f),
        "this is InternVL with its authors' own code, which puts pictures in behind the prompt",
        "use the same model for transformers: {0}",
    ),
    Kind(
        "cross-attention",
        lambda f: (f.model_type in ENCODER_DECODERS or f.config.get("is_encoder_decoder")) and f.model_type,
        "{0} looks at pictures by cross-attention; gaze steers self-attention over image tokens",
        "choose a decoder-only model: see `gaze models`",
    ),
    Kind(
        "a text-only model",
        lambda f: f.is_text_only and f.model_type,
        "{0} is a language model without a vision tower, it reads text only",
        "choose a vision-language model: see `gaze models`; on texts alone, gaze discover MODEL --text finds "
        "its heads",
        of_text=True,
    ),
    Kind(
        "no writer",
        lambda f: _no_writer(f) and f.model_type,
        "{0} is not a model that reads a picture and writes text",
        "choose a vision-language model: see `gaze models`",
        of_text=True,
    ),
    Kind(
        "a type that transformers does not know",
        _unknown,
        "its type is {0} does not know",
        "update transformers if a later release knows it; else choose another model: see `gaze models`",
    ),
    Kind(
        "pickled weights",
        lambda f: not f.weights and f.ending(".bin", ".pt", ".pth"),
        "only pickled weights are here, which are never loaded",
        "convert them to safetensors: `save_pretrained` of transformers writes those",
        "model.weights",
        listed=True,
    ),
    Kind(
        "weights of another framework",
        lambda f: not f.weights and (f.ending(".h5", ".msgpack", ".onnx") or [""])[0],
        "the weights here are not of PyTorch, {0}",
        "use the repository's *.safetensors files",
        "model.weights",
        listed=True,
    ),
    Kind(
        "no weights",
        lambda f: "config.json" in f.files and not f.weights,
        "no safetensors weights are here",
        "the folder needs *.safetensors files",
        "model.weights",
        partial=True,
        listed=True,
        there="choose a repository that has *.safetensors files",
    ),
    Kind(
        "a broken index",
        lambda f: INDEX in f.files and _weight_map(f) is None,
        f"the index of the weights is broken, {INDEX}",
        f"{_AGAIN}: the index says which file holds which weight",
        "model.broken",
        partial=True,
    ),
    Kind(
        "a missing shard",
        _missing_shard,
        "a shard of the weights is missing, {0}",
        f"{_AGAIN}: every *.safetensors file belongs to it",
        "model.weights",
        partial=True,
    ),
    Kind(
        "no index of the shards",
        _without_index,
        f"the index of the weights is missing, {INDEX}",
        f"{_AGAIN}: the index says which file holds which weight",
        "model.weights",
        partial=True,
    ),
    Kind(
        "Mistral's tokenizer alone",
        lambda f: (
            "config.json" in f.files and "tekken.json" in f.files and not set(_TOKENIZERS) & set(f.files)
        ),
        "its tokenizer is in Mistral's own form only, tekken.json",
        "copy tokenizer.json and tokenizer_config.json from a copy of this model made for transformers",
        "model.processor",
    ),
    Kind(
        "no tokenizer",
        lambda f: (
            "config.json" in f.files and "auto_map" not in f.config and not set(_TOKENIZERS) & set(f.files)
        ),
        "the tokenizer's files are missing",
        "copy tokenizer.json and tokenizer_config.json from the model that this one was made from",
        "model.processor",
        partial=True,
    ),
    Kind(
        "no picture processor",
        lambda f: (
            "config.json" in f.files
            and "auto_map" not in f.config
            and not set(_PROCESSORS) & set(f.files)
            and not f.is_text_only
        ),
        "the picture processor's settings are missing, preprocessor_config.json",
        "copy them and processor_config.json from the model that this one was made from",
        "model.processor",
        partial=True,
    ),
)


def refuse_kinds(folder: Folder, text: bool = False) -> None:
    """ModelError, with what to do, for a folder of a kind that gaze cannot load.

    Of a repository only those kinds are told that the list of its files shows. With `text`, a language model
    without a vision tower is none of these.
    """
    there = isinstance(folder, Listing)
    for kind in KINDS:
        if there and not kind.listed:
            continue
        if (found := kind.sign(folder)) and not (text and kind.of_text and folder.is_text_only):
            sentence, step = kind.sentence.format(found), kind.step.format(found)
            if there:
                sentence = sentence.replace("this folder", "this repository")
                step = (kind.there or kind.step).format(found).replace("ID", folder.id)
            raise ModelError(sentence, subject=folder.name, hint=step, code=kind.code)


def missing_part(folder: Folder) -> str | None:
    """What an interrupted download left out, in words; None for a folder that has every part.

    Adapters and pipelines have no config.json; what they are is told when they are loaded.
    """
    if "config.json" not in folder.files:
        return None if set(_OTHER_SETTINGS) & set(folder.files) else "config.json is missing"
    found = ((kind, kind.sign(folder)) for kind in KINDS if kind.partial)
    return next((kind.sentence.format(value) for kind, value in found if value), None)
