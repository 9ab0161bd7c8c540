"""The digest that names a checkpoint: what its files contain, not where they lie.

Hub files are linked to blobs named by their SHA-256 where they are large, which spares reading them;
other files are hashed. Knows nothing of loading.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

_BLOB = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9a-f]{40}")
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
    "model.safetensors.index.json",
)


def checkpoint_files(folder: Path) -> list[Path]:
    """The files that decide what a checkpoint computes, in a stable order."""
    named = [folder / name for name in _NAMES if (folder / name).is_file()]
    return named + sorted(folder.glob("*.py")) + sorted(folder.glob("*.safetensors"))


def checkpoint_digest(folder: Path, file_digest: Callable[[Path], str] | None = None) -> str:
    """`sha256:…` over names and contents of a checkpoint's files."""
    digest_of = file_digest or _sha256
    facts = {}
    for path in checkpoint_files(folder):
        blob = path.resolve().name if path.is_symlink() else ""
        facts[path.name] = blob if _BLOB.fullmatch(blob) else digest_of(path)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def hub_revision(folder: Path) -> str | None:
    """The commit of a Hub snapshot folder, None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _REVISION.fullmatch(folder.name) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
