"""Checkpoints on this machine: found by alias, Hub id with @revision or folder; their digest and dimensions.

Nothing heavy is imported at the top, so that a stored result is found without torch.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gazecli.canonical import json_digest, read_json
from gazecli.errors import ModelError, UsageError
from gazecli.models.adapter import adapter_facts, require_adapter, split_name
from gazecli.models.catalogue import resolve_alias
from gazecli.models.folder_kinds import INDEX, Folder, own_weights
from gazecli.models.snapshot import Progress, find_snapshot, hub_revision

_MAX_JSON_BYTES = 1 << 28
_PATH_LIKE = ("/", "./", "../", "~", ".\\", "\\")
_BLOB = re.compile(r"[0-9a-f]{64}")
# What decides what a checkpoint computes, besides *.py and *.safetensors.
_NAMES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "special_tokens_map.json",
    "added_tokens.json",
    INDEX,
)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine, and the folder of the adapter that goes over it, if one does."""

    name: str
    id: str
    revision: str | None
    folder: Path
    adapter: Path | None = None

    @property
    def facts(self) -> Folder:
        """What lies in the folder."""
        return Folder(self.folder, self.name, self.id)

    @property
    def quantised(self) -> str | None:
        """How config.json says that the weights are quantised, such as `fp8`; None where they are not."""
        settings = self.facts.config.get("quantization_config")
        return str(settings.get("quant_method", "unknown")) if isinstance(settings, dict) else None

    def digest(self, file_digest: Callable[[Path], str] | None = None) -> str:
        """`sha256:…` over names and contents of the files of checkpoint and adapter.

        `file_digest` may remember some.
        """
        digest_of = file_digest or _sha256
        facts = {}
        named = [self.folder / name for name in _NAMES if (self.folder / name).is_file()]
        code, weights = self.folder.glob("*.py"), self.folder.glob("*.safetensors")
        own = own_weights([path.name for path in weights])
        for path in (*named, *code, *(self.folder / name for name in own)):
            blob = path.resolve().name if path.is_symlink() else ""
            facts[path.name] = blob if _BLOB.fullmatch(blob) else digest_of(path)
        if self.adapter is not None:
            facts |= adapter_facts(self.adapter, digest_of)
        return f"sha256:{json_digest(facts)}"

    def config(self) -> dict[str, Any]:
        """The parsed config.json.

        Raises ModelError when it is missing or broken.
        """
        path = self.folder / "config.json"
        if not os.path.exists(path):
            raise ModelError(
                "not a checkpoint folder, it has no config.json",
                subject=self.name,
                hint="give a folder saved by transformers, a Hub id, or an alias from `gaze models`",
                code="model.unknown",
            )
        hint = "it must be a JSON object with a model_type: fetch or copy the checkpoint again"
        parsed = read_json(path, _MAX_JSON_BYTES, "config.json", ModelError, hint, "model.broken")
        if not isinstance(parsed, dict) or not isinstance(parsed.get("model_type"), str):
            raise ModelError("config.json is broken", subject=str(path), hint=hint, code="model.broken")
        return parsed


def is_folder(name: str) -> bool:
    """Whether a model's name is that of a folder here; `tiny` is always the model in the package."""
    return name != "tiny" and os.path.isdir(os.path.expanduser(name))


def find_checkpoint(
    name: str, revision: str | None = None, fetch: bool = True, progress: Progress | None = None
) -> Checkpoint:
    """Find a checkpoint on this machine, fetching what is not here from the Hub when that is possible.

    `name` is an alias, a Hub id or a folder, each also with an adapter, `MODEL+FOLDER`. Raises ModelError
    with the command that fetches it when it is not here and cannot be fetched, and for what is no adapter.
    """
    base, adapter = split_name(name)
    if adapter is not None:
        require_adapter(adapter)
        found = find_checkpoint(base, revision, fetch, progress)
        return replace(found, name=f"{found.name}+{adapter.name}", adapter=adapter)
    if revision is not None and (is_folder(name) or name == "tiny"):
        what = "the model in the package" if name == "tiny" else "a local folder"
        raise UsageError(f"--revision has no effect on {what}", subject=name, hint="leave it out")
    if is_folder(name):
        folder = Path(os.path.expanduser(name)).resolve()
        return Checkpoint(folder.name, folder.name, hub_revision(folder), folder)
    if name != "tiny" and os.path.isfile(os.path.expanduser(name)):
        raise ModelError(
            "a model is a folder, this is a file",
            subject=name,
            hint="give the folder that holds config.json and the weights",
            code="model.unknown",
        )
    if name == "tiny":
        return Checkpoint("tiny", "tiny", None, Path(__file__).parent.parent / "tiny" / "checkpoint")
    base, _, at = name.partition("@")
    if at and revision is not None and at != revision:
        raise UsageError("two revisions are given", subject=name, hint="leave --revision out")
    wanted = at or revision
    hub_id = resolve_alias(base)
    if hub_id is None and name.startswith(_PATH_LIKE):
        raise ModelError("there is no such folder", subject=name, hint="check the path", code="model.unknown")
    if hub_id is None:
        raise ModelError(
            "no such model",
            subject=name,
            hint="`gaze models` lists the aliases; a Hub id looks like Qwen/Qwen2-VL-7B-Instruct",
            code="model.unknown",
        )
    folder = find_snapshot(hub_id, wanted, fetch, progress)
    return Checkpoint(name, hub_id, hub_revision(folder), folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Dimensions:
    """Layers of the text backbone, query heads of each, and the family's name."""

    layers: int
    heads: int
    family: str


def read_dimensions(checkpoint: Checkpoint) -> Dimensions:
    """The dimensions of a checkpoint's text backbone.

    Raises ModelError when config.json is missing or broken, or of a kind whose code is not in transformers.
    """
    family = str(checkpoint.config()["model_type"])
    from transformers import AutoConfig

    try:
        text = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True).get_text_config()
        layers, heads = text.num_hidden_layers, text.num_attention_heads
        if not all(isinstance(count, int) and count > 0 for count in (layers, heads)):
            raise ValueError(f"{layers} layers of {heads} heads")
    except Exception as failure:  # config classes raise nearly anything on values they did not expect
        raise ModelError(
            "config.json does not say how many layers and heads this model has",
            subject=checkpoint.name,
            hint="choose a model of `gaze models`, or check the folder's config.json",
            code="model.broken",
        ) from failure
    return Dimensions(layers, heads, family)
